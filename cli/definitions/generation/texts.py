"""Texts for generated items: from patterns and formats, times, and the constants of the user's functions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from cli.definitions.generation.constants import Constants
from cli.definitions.generation.merging import Variant
from cli.definitions.generation.patterns import matching_text
from tailrace.definition.json_schema.pattern_rules import matches

_MAX_LENGTH = 20
_MAX_PADDED, _MAX_TEXT = 400, 4000
_MAX_TRIES = 20
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 -_.,/#%äß€\n\u2028\U0001f600"
_MOSTLY, _OFTEN, _RARELY = 0.95, 0.4, 0.1
_BEGINNING = datetime(2013, 1, 1, tzinfo=UTC)
_DAY_S = 86_400
_PERIOD_S = _DAY_S * 366 * 20
TIMES = range(int(_BEGINNING.timestamp()), int(_BEGINNING.timestamp()) + _PERIOD_S)
"""Seconds since 1970, among which are the last and the next years: a function may compare with the present."""
_OFFSETS = {"Z": 0.0, "+00:00": 0.0, "-05:00": -5.0, "+05:45": 5.75}


def time_text(random: Random) -> str:
    """Return a time in RFC 3339: often within one month, so that items meet in a bucket, or near an hour's edge."""
    seconds = random.randrange(_DAY_S * 30 if random.random() < 0.5 else _PERIOD_S)  # noqa: PLR2004 - a half
    if random.random() < 0.2:  # noqa: PLR2004 - a fifth
        seconds -= seconds % 3600 + random.choice([0, 1])
    offset = random.choice(list(_OFFSETS))
    local = _BEGINNING + timedelta(seconds=max(seconds, 0), hours=_OFFSETS[offset])
    return f"{local:%Y-%m-%dT%H:%M:%S}{offset}"


_FORMATS: Mapping[str, Callable[[Random], str]] = {
    "date-time": time_text,
    "date": lambda random: time_text(random)[:10],
    "time": lambda random: time_text(random)[11:],
    "uuid": lambda random: "-".join(f"{random.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "email": lambda random: f"{random.choice('abcdef')}{random.randrange(100)}@example.org",
    "uri": lambda random: f"https://example.org/{random.randrange(100)}",
}


def text_maker(variant: Variant, constants: Constants, *, is_time: bool) -> Callable[[Random], str]:
    """Return a function that makes texts of a variant; nearly all fit it."""
    least = int(variant.highest("minLength", 0))
    most = int(variant.lowest("maxLength", max(_MAX_TEXT, 4 * least)))
    patterns: list[str] = variant.every("pattern")

    def fits(text: str) -> bool:
        return least <= len(text) <= most and all(matches(pattern, text) for pattern in patterns)

    formats = [_FORMATS[name] for name in variant.every("format") if name in _FORMATS]
    known = [text for text in constants.texts if fits(text)]
    lengths = [length for length in lengths_in(constants) if least <= length <= most]

    def any_text(random: Random) -> str:
        chance = random.random()
        if formats and chance < (_OFTEN if patterns else _MOSTLY):  # a format is an annotation, which checks nothing
            return random.choice(formats)(random)
        if is_time and chance < _MOSTLY:
            return time_text(random)[: 10 if chance < _RARELY and not patterns else None]
        if known and random.random() < _OFTEN:
            return random.choice(known)
        if patterns:
            return _around(random.choice(patterns), random, random.choice([0, 2 * least]))
        if lengths and chance < _OFTEN + _RARELY:
            return "a" * random.choice(lengths)
        length = random.randint(least, min(most, least + random.choice([1, 3, _MAX_LENGTH])))
        return "".join(random.choices(_LETTERS, k=length))

    def text(random: Random) -> str:
        if least > most:  # the alternatives of a schema may contradict each other
            return ""
        made = (any_text(random) for _ in range(_MAX_TRIES))
        return next((one for one in made if fits(one)), "")

    return text


def _around(pattern: str, random: Random, repeats: int) -> str:
    """Return a text that probably matches a pattern, with more around it where the pattern is not anchored."""
    before, after = ("".join(random.choices(_LETTERS, k=random.choice([0, 1, 5]))) for _ in range(2))
    found = matching_text(pattern, random, repeats)
    return before * (not pattern.startswith("^")) + found + after * (not pattern.endswith("$"))


def lengths_in(constants: Constants) -> Sequence[int]:
    """Return the lengths that functions may compare with, and one more each."""
    whole = [int(number) for number in constants.numbers if number == int(number) and 0 <= number < _MAX_PADDED]
    return sorted({length for number in whole for length in (number, number + 1)})
