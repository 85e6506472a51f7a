"""Texts that match a pattern, made from Python's parse of it."""

import importlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

_PARSER: Any = importlib.import_module("re._parser")
_MAX_REPEATS = 4
_PRINTABLE = "".join(map(chr, range(32, 127)))
_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_NOT_DIGIT": "abcXYZ -_",
    "CATEGORY_WORD": "abcxyzABCXYZ0123456789_",
    "CATEGORY_NOT_WORD": " -.,;/#%",
    "CATEGORY_SPACE": " \t\n",
    "CATEGORY_NOT_SPACE": "abcXYZ019-_.",
}


def matching_text(pattern: str, random: Random) -> str:
    """Return a text that probably matches a pattern of JSON Schema; lookaheads and anchors inside are not minded."""
    parsed = _parsed(pattern)
    return "" if parsed is None else "".join(_text(part, random) for part in parsed)


@cache
def _parsed(pattern: str) -> Any:
    # Python writes \u{1f600} as \U0001f600, and knows no property of Unicode
    text = re.sub(r"\\u\{?([0-9A-Fa-f]{4,6})\}?", lambda found: f"\\U{int(found[1], 16):08x}", pattern)
    text = re.sub(r"\\p\{[^}]*\}", "[A-Za-zäß]", re.sub(r"\\P\{[^}]*\}", r"[0-9 ]", text)).replace(r"\/", "/")
    try:
        return _PARSER.parse(text, re.ASCII)
    except (re.error, ValueError, OverflowError):
        return None


def _text(part: Any, random: Random) -> str:
    name, value = str(part[0]), part[1]
    if name == "LITERAL":
        return chr(value)
    if name in ("NOT_LITERAL", "ANY"):
        return random.choice(_PRINTABLE.replace(chr(value), "") if name == "NOT_LITERAL" else _PRINTABLE)
    if name == "IN":
        return _member(value, random)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        times = random.randint(least, min(int(most), least + _MAX_REPEATS))
        return "".join(_text(one, random) for _ in range(times) for one in inner)
    if name == "BRANCH":
        return "".join(_text(one, random) for one in random.choice(value[1]))
    if name in ("SUBPATTERN", "ATOMIC_GROUP"):
        return "".join(_text(one, random) for one in (value[-1] if name == "SUBPATTERN" else value))
    return ""


def _member(members: Sequence[Any], random: Random) -> str:
    negated = str(members[0][0]) == "NEGATE"
    if not negated:
        return _one(random.choice(members), random)
    refused = [_contains(member) for member in members[1:]]
    allowed = [character for character in _PRINTABLE if not any(holds(character) for holds in refused)]
    return random.choice(allowed or ["ä"])


def _one(member: Any, random: Random) -> str:
    name, value = str(member[0]), member[1]
    if name == "RANGE":
        return chr(random.randint(*value))
    return chr(value) if name == "LITERAL" else random.choice(_CATEGORIES[str(value)])


def _contains(member: Any) -> Callable[[str], bool]:
    name, value = str(member[0]), member[1]
    if name == "RANGE":
        return lambda character: value[0] <= ord(character) <= value[1]
    if name == "LITERAL":
        return lambda character: ord(character) == value
    return lambda character: character in _CATEGORIES[str(value)]
