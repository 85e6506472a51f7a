"""JSON that preserves everything DynamoDB can store: every digit of a number, sets and binary values."""

import base64
import json
import math
import re
from collections import Counter
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

from tailrace.encoding.numbers import (
    EXACT,
    MAX_CHARACTERS,
    UNPAIRED_SURROGATE,
    canonical_number,
    converted_set,
    parse_number,
)
from tailrace.encoding.text import decode_utf8, plain_text
from tailrace.errors import InvalidMessage

_SET, _BYTES, _MAP = "~set", "~bytes", "~map"
_MAX_NAME_SHOWN = 60
_MAX_EQUAL_HASHES = 2_000
_TAGS = frozenset([_SET, _BYTES, _MAP])

_PLAIN = frozenset([str, int, bool, NoneType])
"""Types that the encoder writes as they are."""

_CONTAINERS = frozenset([dict, list])
_SHALLOW = 100
"""A text with no more brackets is not nested too deeply."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTING_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")
_OWN_DECODER = msgspec.json.Decoder(float_hook=parse_number)

_NOT_PRINTABLE_ASCII = re.compile("[^ -~]")


def dumps(value: Any) -> str:
    """Serialize a value as compact JSON; the inverse of :func:`loads`.

    JSON has no sets and no binary values: a set becomes ``{"~set": [members, sorted]}``, bytes become
    ``{"~bytes": base64}``, and a map that could be mistaken for one of these is wrapped as ``{"~map": {…}}``.
    """
    tagged = _tagged(value)
    try:
        text = _ENCODER.encode(tagged).decode()
    except UnicodeEncodeError:
        text = _with_surrogates(tagged, sort=False)
    if text.isascii():
        return text
    # SQS accepts only the characters of XML 1.0; JSON has already escaped all others but these two
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def canonical_json(value: Any) -> str:
    """Serialize a value so that equal values give equal text: sorted names, one spelling for each number, ASCII."""
    tagged = _tagged(_canonical(value))
    try:
        text = _SORTING_ENCODER.encode(tagged).decode()
    except UnicodeEncodeError:
        text = _with_surrogates(tagged, sort=True)
    return _NOT_PRINTABLE_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _with_surrogates(value: Any, *, sort: bool) -> str:
    """Serialize a tagged value that contains lone surrogates, which the encoder refuses."""
    if isinstance(value, dict):
        members = sorted(value.items()) if sort else value.items()
        return f"{{{','.join(f'{_text(name)}:{_with_surrogates(inner, sort=sort)}' for name, inner in members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_with_surrogates(inner, sort=sort) for inner in value)}]"
    return _text(value) if isinstance(value, str) else _ENCODER.encode(value).decode()


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return converted_set(value, _canonical)
    if isinstance(value, str):
        return str(value)  # for a member of an enum, its name, as in the fingerprints of all releases
    return value.normalize(EXACT) if isinstance(value, Decimal) else value


def loads(text: str | bytes, *, check_sets: bool = False) -> Any:
    """Parse JSON into the engine's values: integral numbers as int, others as Decimal.

    Byte order marks at the beginning are skipped.

    Raises:
        InvalidMessage: the text is not JSON or not UTF-8, is nested too deeply, contains a number that is not finite,
            or an object with a name twice, for which each reader would see a different value.
    """
    try:
        if isinstance(text, bytes):
            text = decode_utf8(text)  # strict: json.loads would let unpaired surrogates through
        text = text.lstrip("\ufeff")  # a tool may add one where another has added one
        parsed = _parsed(text)
        _refuse_unpaired_surrogates(text, parsed)
        if check_sets and (f'"{_SET}"' in text or "\\u" in text):
            _check_sets(parsed)
        return _untagged(parsed) if _must_be_visited(text) else parsed
    except RecursionError:
        raise InvalidMessage("JSON nested too deeply") from None
    except UnicodeEncodeError:
        raise InvalidMessage(f"not JSON: a text has {UNPAIRED_SURROGATE}") from None
    except ValueError as error:  # also JSONDecodeError and UnicodeDecodeError
        raise InvalidMessage(f"not JSON: {error}") from error


def loads_own(text: bytes) -> Any:
    """Parse what :func:`dumps` wrote, as :func:`loads` does, in a third of its time.

    A name that occurs twice in an object is not found.

    Raises:
        InvalidMessage: the text is not JSON, not UTF-8, or is nested too deeply.
    """
    try:
        parsed = _OWN_DECODER.decode(text)
        return _untagged(parsed) if b'"~' in text or b"\\u" in text else parsed
    except (ValueError, RecursionError) as error:  # also msgspec's errors
        raise InvalidMessage(f"not JSON: {error}") from error


def loads_foreign(text: str | bytes) -> Any:
    """Parse a sender's JSON as :func:`loads` does, but not a set that would delay a function.

    Python tells numbers apart by hashes, which are equal for numbers that differ by a multiple of 2**61 - 1. Comparing
    all of them would take minutes.

    Raises:
        InvalidMessage: as :func:`loads`; or a set has more than 2,000 such numbers.
    """
    return loads(text, check_sets=True)


def _parsed(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # its reason names a setting of Python
        raise InvalidMessage(f"not JSON that can be read: an integer of more than {MAX_CHARACTERS} digits") from error


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object, as ``object_pairs_hook`` of :func:`json.loads`.

    Raises:
        InvalidMessage: a name occurs twice.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        times = Counter(name for name, _ in pairs)
        shown = next(name for name in times if times[name] > 1)[:_MAX_NAME_SHOWN]
        raise InvalidMessage(f"the name {json.dumps(shown)} occurs more than once in an object")
    return members


def _refuse(constant: str) -> Any:
    raise InvalidMessage(f"not JSON: {constant}")


_DECODER = json.JSONDecoder(parse_float=parse_number, parse_constant=_refuse, object_pairs_hook=unique_members)


def _refuse_unpaired_surrogates(text: str, parsed: Any) -> None:
    # JSON can escape an unpaired surrogate ("\\ud800"), which no table, queue or UTF-8 file can store
    if "\\u" in text:
        _ENCODER.encode(parsed)


def _check_sets(parsed: Any) -> None:
    level = [parsed]
    while level:
        for one in level:
            members = one.get(_SET) if isinstance(one, dict) else None
            numbers = [one for one in members if isinstance(one, int | Decimal)] if isinstance(members, list) else []
            if len(numbers) > _MAX_EQUAL_HASHES < max(Counter(map(hash, numbers)).values()):
                raise InvalidMessage(f"a set has more than {_MAX_EQUAL_HASHES:,} numbers whose hashes are equal")
        containers = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [inner for container in containers for inner in container if isinstance(inner, dict | list)]


def _tagged(value: Any) -> Any:
    """Return a value as the encoder should write it; most items need no change."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, dict):
        tagged = value
        if kind is not dict or not _PLAIN.issuperset(map(type, value.values())):
            tagged = {name: inner if type(inner) in _PLAIN else _tagged(inner) for name, inner in value.items()}
        return {_MAP: tagged} if len(tagged) == 1 and not _TAGS.isdisjoint(tagged) else tagged
    if isinstance(value, list | tuple):
        return value if _PLAIN.issuperset(map(type, value)) else [_tagged(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return {_SET: sorted((_tagged(inner) for inner in value), key=repr)}
    if isinstance(value, bytes | bytearray):
        return {_BYTES: base64.b64encode(value).decode()}
    return _tagged_scalar(value)


def _tagged_scalar(value: Any) -> Any:
    if isinstance(value, Decimal):
        return canonical_number(value)
    if isinstance(value, float):  # the encoder's notation of exponents is not Python's
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number in JSON")
        return msgspec.Raw(repr(value).encode())
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"JSON has no type for a {type(value).__name__}")


def _must_be_visited(text: str) -> bool:
    """Tell whether a parsed text may hold tags, perhaps escaped ones, or be nested too deeply."""
    return '"~' in text or "\\u" in text or text.count("[") + text.count("{") > _SHALLOW


def _untagged(value: Any) -> Any:
    """Return a parsed value without tags. It is changed in place: a copy of a large body may not fit in memory."""
    if isinstance(value, dict):
        value = _without_tag(value)
    members = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for place, inner in members:
        if type(inner) in _CONTAINERS:
            value[place] = _untagged(inner)
    return value


def _without_tag(members: dict[str, Any]) -> Any:
    if len(members) == 1:
        ((key, inner),) = members.items()
        if key == _MAP and isinstance(inner, dict):
            return inner
        if key == _SET and isinstance(inner, list):
            return _untagged_set(inner)
        if key == _BYTES and isinstance(inner, str):
            return base64.b64decode(inner, validate=True)
    return members


def _untagged_set(inner: list[Any]) -> set[Any]:
    try:
        if bool not in map(type, inner):  # in Python, true equals 1: one of the two would be lost
            return {_untagged(part) for part in inner}
    except TypeError:  # lists and maps are not hashable
        pass
    raise InvalidMessage("a set may contain only strings, numbers and binary values")
