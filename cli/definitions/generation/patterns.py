"""Texts that match a pattern, made from Python's parse of it."""

import importlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from tailrace.definition.json_schema.pattern_rules import matches
from tailrace.encoding.numbers import is_encodable

_PARSER: Any = importlib.import_module("re._parser")
_MAX_REPEATS = 4
_PRINTABLE = "".join(map(chr, range(32, 127)))
_BEYOND_ASCII = "äÄßéøñłДд漢字あ한٣²½«»€™\u00a0\u0301\u2028\U0001f600"
_TOKEN = re.compile(
    r"\\u(?P<high>[Dd][89ABab][0-9A-Fa-f]{2})\\u(?P<low>[Dd][C-Fc-f][0-9A-Fa-f]{2})"
    r"|\\u(?P<code>[0-9A-Fa-f]{4})|\\u\{(?P<braced>[0-9A-Fa-f]+)\}|\\c(?P<control>[A-Za-z])"
    r"|\\[pP]\{(?P<property>[^}]*)\}|(?P<named>\(\?<[\w$]+>)|\\.|[\[\]]",
    re.DOTALL,
)
"""What ECMA-262 writes differently from Python, and what begins or ends a class."""
_CATEGORIES = {
    "CATEGORY_DIGIT": "0123456789",
    "CATEGORY_NOT_DIGIT": "abcXYZ -_",
    "CATEGORY_WORD": "abcxyzABCXYZ0123456789_",
    "CATEGORY_NOT_WORD": " -.,;/#%",
    "CATEGORY_SPACE": " \t\n",
    "CATEGORY_NOT_SPACE": "abcXYZ019-_.",
}


def matching_text(pattern: str, random: Random, repeats: int = 0) -> str:
    """Return a text that probably matches a pattern of JSON Schema; lookaheads and anchors inside are ignored.

    The outermost repeats go up to ``repeats`` times beyond their least number, or a few times if that is more.
    """
    parsed = _parsed(pattern)
    most = max(repeats, _MAX_REPEATS)
    return "" if parsed is None else "".join(_text(part, random, most) for part in parsed)


@cache
def _parsed(pattern: str) -> Any:
    in_class = False

    def in_python(token: re.Match[str]) -> str:
        nonlocal in_class
        if token[0] in ("[", "]"):
            opens, in_class = token[0] == "[" and not in_class, token[0] == "["
            return token[0] if opens or token[0] == "]" else r"\["
        if token["property"]:
            members = _with_property(token[0])
            return members if in_class else f"[{members}]"
        return _code(token)

    try:
        return _PARSER.parse(_TOKEN.sub(in_python, pattern), re.ASCII)
    except (re.error, ValueError, OverflowError):
        return None


def _code(token: re.Match[str]) -> str:
    if token["high"]:
        return _escaped(0x10000 + (int(token["high"], 16) - 0xD800) * 0x400 + int(token["low"], 16) - 0xDC00)
    if token["code"] or token["braced"]:
        return _escaped(int(token["code"] or token["braced"], 16))
    if token["control"]:
        return _escaped(ord(token["control"]) % 32)
    return "(?:" if token["named"] else token[0]


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"


@cache
def _with_property(token: str) -> str:
    """Return members of a class in place of a property of Unicode, which Python does not know."""
    return "".join(_escaped(ord(one)) for one in _PRINTABLE + _BEYOND_ASCII if matches(f"^{token}$", one)) or "ä"


def _text(part: Any, random: Random, repeats: int = _MAX_REPEATS) -> str:
    name, value = str(part[0]), part[1]
    if name == "LITERAL":
        return _character(value)
    if name in ("NOT_LITERAL", "ANY"):
        return random.choice(_PRINTABLE.replace(chr(value), "") if name == "NOT_LITERAL" else _PRINTABLE)
    if name == "IN":
        return _member(value, random)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        times = random.randint(least, min(int(most), least + repeats))
        return "".join(_text(one, random) for _ in range(times) for one in inner)
    if name == "BRANCH":
        return "".join(_text(one, random, repeats) for one in random.choice(value[1]))
    if name in ("SUBPATTERN", "ATOMIC_GROUP"):
        return "".join(_text(one, random, repeats) for one in (value[-1] if name == "SUBPATTERN" else value))
    return ""


def _character(code: int) -> str:
    character = chr(code)
    return character if is_encodable(character) else "ä"  # no text holds half of a surrogate pair


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
        return _character(random.randint(*value))
    return _character(value) if name == "LITERAL" else random.choice(_CATEGORIES[str(value)])


def _contains(member: Any) -> Callable[[str], bool]:
    name, value = str(member[0]), member[1]
    if name == "RANGE":
        return lambda character: value[0] <= ord(character) <= value[1]
    if name == "LITERAL":
        return lambda character: ord(character) == value
    return lambda character: character in _CATEGORIES[str(value)]
