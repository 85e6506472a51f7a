r"""Patterns of JSON Schema: ECMA-262's regular expressions, translated for an engine that takes linear time.

``jsonschema-rs`` matches with Rust's ``regex``, which never backtracks. It reads another dialect, so each construct is
written out: ``\d`` becomes ``[0-9]``, ``.`` a class without line terminators, ``\b`` a boundary of ASCII words. As JSON
Schema recommends, a pattern is read with the flag ``u``; beyond it, punctuation may be escaped and braces may be plain.

Linear engines have no backreferences and no lookaround. Lookaheads at the start of a pattern, before or after its
``^``, are still possible: each is a pattern of its own that the text must, or must not, match.
"""

import re
from typing import NoReturn

from msgspec import Struct

from tailrace.definition.json_schema.pattern_text import ANY, CLASSES, DOT, NONE, SURROGATES, literal, range_of

_LETTERS = "dDwWsS"
_CONTROLS = {"f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_QUANTIFIER = re.compile(r"(?:[*+?]|\{([0-9]+)(?:(,)([0-9]*))?\})\??")
_PROPERTY = re.compile(r"\{(?:(?:Script|sc|Script_Extensions|scx|General_Category|gc)=)?[A-Za-z0-9_]+\}")
_CODE = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]+)\}|c([A-Za-z])|(0)(?![0-9])")
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_MODIFIERS = re.compile(r"\?([is]*)(?:-([is]*))?:")
_NAMED = re.compile(r"\?<[\w$]+>")
_MAX_DEPTH = 100
_MAX_CODE = 0x10FFFF


class PatternError(ValueError):
    """A pattern that is not a regular expression, or not one that can be matched in linear time."""


class Translation(Struct, frozen=True):
    """What a text must match to match a pattern: all of ``required`` and none of ``forbidden``.

    ``weight`` counts the characters and classes after expanding counted repeats: each may cost a step per character.
    """

    required: tuple[str, ...]
    forbidden: tuple[str, ...]
    weight: int


def translate(pattern: str) -> Translation:
    """Translate a pattern of ECMA-262.

    Raises:
        PatternError: the pattern is malformed, or uses a backreference or lookaround that is not possible here.
    """
    return _Parser(pattern).translation()


class _Parser:
    """A recursive-descent parser that writes the translation as it reads."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        self._dot_matches_all = False
        self._ignores_case = False

    def translation(self) -> Translation:
        required: list[str] = []
        forbidden: list[str] = []
        weight = 0
        anchored = self._take("^") if self._peek("^(?=", "^(?!") else not self._peek("(?=", "(?!")
        while self._peek("(?=", "(?!"):
            self._at += len("(?=")
            into = required if self._text[self._at - 1] == "=" else forbidden
            found, steps = self._group_body()
            into.append(f"^(?:{found})")
            weight += steps
        if self._at and self._peek("*", "+", "?", "{"):
            self._fail("a lookahead cannot be repeated")
        if not anchored and not self._peek("^"):
            self._fail("lookahead is possible only at the start of a pattern, before or after its ^")
        prefix = "^" if self._at else ""
        rest, steps = self._alternatives()
        if self._at < len(self._text):
            self._fail("')' closes no group")
        if prefix and self._has_alternatives:
            self._fail("with a lookahead, write alternatives as a group: ^(?!…)(?:a|b)")
        return Translation((prefix + rest, *required), tuple(forbidden), weight + steps)

    def _alternatives(self) -> tuple[str, int]:
        parts: list[str] = []
        weight = 0
        self._has_alternatives = False
        several = False
        while self._at < len(self._text) and self._text[self._at] != ")":
            if self._take("|"):
                parts.append("|")
                several = True
                continue
            found, steps = self._term()
            parts.append(found)
            weight += steps
        self._has_alternatives = several
        return "".join(parts), weight

    def _term(self) -> tuple[str, int]:
        for anchor in ("^", "$"):
            if self._take(anchor):
                return self._unrepeated(anchor)
        for boundary in ("\\b", "\\B"):
            if self._take(boundary):
                if self._ignores_case:
                    self._fail(f"{boundary} is not possible where case is ignored")
                return self._unrepeated(f"(?-u:{boundary})")
        found, weight = self._atom()
        quantifier = _QUANTIFIER.match(self._text, self._at)
        if quantifier is None:
            return found, weight
        self._at = quantifier.end()
        least, comma, most = quantifier.groups()
        if least is None:
            return found + quantifier[0][0], weight
        if most and int(most) < int(least):
            self._fail(f"the repeat {quantifier[0]} is out of order")
        least, most = (str(int(text)) if text else "" for text in (least, most))
        return f"{found}{{{least}{comma or ''}{most}}}", weight * max(
            int(most or least) + (comma is not None and not most), 1
        )

    def _unrepeated(self, assertion: str) -> tuple[str, int]:
        if _QUANTIFIER.match(self._text, self._at):
            self._fail("an assertion cannot be repeated")
        return assertion, 0

    def _atom(self) -> tuple[str, int]:
        if self._take("("):
            return self._group()
        if self._take("["):
            return self._class(), 1
        if self._take("."):
            return (ANY if self._dot_matches_all else DOT), 1
        if self._take("\\"):
            return self._escape(), 1
        if _QUANTIFIER.match(self._text, self._at):
            self._fail("there is nothing to repeat")
        self._at += 1
        return literal(ord(self._text[self._at - 1])), 1

    def _group(self) -> tuple[str, int]:
        if self._peek("?=", "?!"):
            self._fail("lookahead is possible only at the start of a pattern, before or after its ^")
        if self._peek("?<=", "?<!"):
            self._fail("lookbehind is not possible: patterns are matched in linear time")
        modifiers = _MODIFIERS.match(self._text, self._at)
        named = _NAMED.match(self._text, self._at)
        before = self._dot_matches_all, self._ignores_case
        opening = "(?:"
        if modifiers is not None:
            self._at = modifiers.end()
            added, removed = modifiers[1], modifiers[2] or ""
            if len(set(added + removed)) < len(added + removed) or modifiers[0] == "?-:":
                self._fail(f"the modifiers ({modifiers[0]} are malformed")
            self._dot_matches_all = (before[0] or "s" in added) and "s" not in removed
            self._ignores_case = (before[1] or "i" in added) and "i" not in removed
            opening = "(?i:" if self._ignores_case else "(?-i:" if before[1] else opening
        elif named is not None:
            self._at = named.end()
        elif self._peek("?"):
            self._fail(f"unknown group ({self._text[self._at : self._at + 4]}")
        found, weight = self._group_body()
        self._dot_matches_all, self._ignores_case = before
        return f"{opening}{found})", weight

    def _group_body(self) -> tuple[str, int]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"more than {_MAX_DEPTH} nested groups")
        found, weight = self._alternatives()
        if not self._take(")"):
            self._fail("a group is not closed")
        self._depth -= 1
        return found, max(weight, 1)

    def _escape(self) -> str:
        code = self._code()
        if code is not None:
            return literal(code)
        letter = self._next("a backslash ends the pattern")
        if letter in _LETTERS:
            return f"[{self._class_of(letter)}]"
        if letter in "pP":
            return self._property(letter)
        if letter in "123456789k":
            self._fail("backreferences are not possible: patterns are matched in linear time")
        return literal(self._identity(letter))

    def _class(self) -> str:
        negated = self._take("^")
        parts: list[str] = []
        while not self._take("]"):
            first = self._class_atom()
            if self._peek("-") and not self._peek("-]"):
                before = self._at
                self._at += 1
                last = self._class_atom()
                if isinstance(first, int) and isinstance(last, int):
                    if last < first:
                        self._fail("a range in a class is out of order")
                    parts.append(range_of(first, last))
                    continue
                self._at = before  # next to a class such as \w, the hyphen is itself
            parts.append(range_of(first, first) if isinstance(first, int) else first)
        body = "".join(parts)
        if not body:
            return ANY if negated else NONE
        return f"[{'^' if negated else ''}{body}]"

    def _class_atom(self) -> int | str:
        character = self._next("a class is not closed")
        if character != "\\":
            return ord(character)
        code = self._code()
        if code is not None:
            return code
        letter = self._next("a class is not closed")
        if letter == "b":
            return 0x08
        if letter in _LETTERS:
            return self._class_of(letter)
        return self._property(letter) if letter in "pP" else self._identity(letter)

    def _class_of(self, letter: str) -> str:
        return CLASSES["iW" if letter == "W" and self._ignores_case else letter]

    def _code(self) -> int | None:
        """Read the rest of an escape that names a code point, if it is one."""
        if self._at < len(self._text) and self._text[self._at] in _CONTROLS:
            self._at += 1
            return _CONTROLS[self._text[self._at - 1]]
        found = _CODE.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        if found[4] or found[5]:
            return ord(found[4]) % 32 if found[4] else 0
        code = int(found[1] or found[2] or found[3], 16)
        if code > _MAX_CODE:
            self._fail(f"there is no character {found[0]}")
        low = _LOW_SURROGATE.match(self._text, self._at) if found[2] and code in SURROGATES[:0x400] else None
        if low is None:
            return code
        self._at = low.end()
        return 0x10000 + (code - 0xD800) * 0x400 + int(low[1], 16) - 0xDC00

    def _property(self, letter: str) -> str:
        if letter == "P" and self._ignores_case:  # ECMA-262 takes the complement first, and then ignores case
            self._fail("\\P is not possible where case is ignored; use [^\\p{…}]")
        found = _PROPERTY.match(self._text, self._at)
        if found is None:
            self._fail(f"\\{letter} needs a Unicode property, such as \\{letter}{{L}}")
        self._at = found.end()
        return f"\\{letter}{found[0]}"

    def _identity(self, letter: str) -> int:
        if letter.isalnum():
            self._fail(f"unknown escape \\{letter}")
        return ord(letter)

    def _next(self, otherwise: str) -> str:
        if self._at >= len(self._text):
            self._fail(otherwise)
        self._at += 1
        return self._text[self._at - 1]

    def _peek(self, *texts: str) -> bool:
        return self._text.startswith(texts, self._at)

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _fail(self, reason: str) -> NoReturn:
        raise PatternError(f"{reason} (at character {self._at} of {self._text[:200]!r})")
