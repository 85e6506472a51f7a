"""Patterns in schemas mean what ECMA-262 says, and are matched in linear time or refused."""

import random
import re
import time

import pytest

from tailrace.definition.json_schema.pattern_rules import MAX_STEPS
from tailrace.definition.schemas import Schema
from tailrace.errors import DefinitionError


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (r"^[0-9]+ US\$", ["12 US$"], ["12 US"]),
        ("^(EUR$|USD$)", ["EUR", "USD"], ["EUR\n", "EURO"]),
        (r"^\p{L}+$", ["aé漢"], ["a1", ""]),
        (r"^\p{Script=Greek}\P{Lu}$", ["αb"], ["αB", "ab"]),
        (r"^(?<y>\d{4})-(?<m>\d\d)$", ["2024-06"], ["٢٠٢٤-06"]),
        (r"^\w\s\S$", ["_\ufeffé", "a b"], ["é a", "a\x85b"]),
        (r"^\cJ\x41\u0042\u{43}\0$", ["\nABC\0"], ["\nABC0"]),
        (r"^\ud83d\ude00[\ud83d\ude00]$", ["😀😀"], ["😀"]),
        (r"^.$", ["😀", "\x85"], ["\u2028", "\r", "\n", ""]),
        (r"\bfoo\b", ["éfoo", "a foo"], ["afoo"]),
        (r"^[^]$", ["\n"], [""]),
        (r"[]", [], ["", "a"]),
        (r"^[\w-.]+$", ["a-.b"], ["a,b"]),
        (r"^a{,2}\-]}$", ["a{,2}-]}"], ["aa-]}"]),
        (r"^(?i:ab)c$", ["ABc"], ["abC"]),
        (r"^(?=.*\d)(?!.*\s).{3,}$", ["ab1"], ["abc", "a 1", "a1"]),
        (r"^(?!-)[a-z-]+$", ["a-b"], ["-ab"]),
        (r"(?!^\d+$)^.+$", ["a1"], ["12", ""]),
        ("a&&b|[a&&b~~]", ["&", "~", "a&&b"], ["c"]),
    ],
)
def test_a_pattern_means_what_ecma_262_says(pattern: str, matching: list[str], others: list[str]) -> None:
    field = Schema({"properties": {"a": {"pattern": pattern}}})
    assert [text for text in (*matching, *others) if field.is_valid({"a": text})] == matching
    for text in others:
        (found,) = field.violations({"a": text})
        assert (found.pointer, found.keyword) == ("/a", "pattern")
        assert repr(pattern) in found.message
    if "(?!" not in pattern:
        names = Schema({"patternProperties": {pattern: False}})
        assert [text for text in (*matching, *others) if not names.is_valid({text: 1})] == matching


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", "backreferences are not possible"),
        (r"(?<n>a)\k<n>", "backreferences are not possible"),
        ("a(?!b)", "lookahead is possible only at the start"),
        ("(?=a)b", "lookahead is possible only at the start"),
        ("(?=a)b|c", "lookahead is possible only at the start"),
        ("^(?!a)b|c", "write alternatives as a group"),
        ("(?<=a)b", "lookbehind is not possible"),
        (r"(?i:\P{Lu})", r"use [^\p{…}]"),
        (r"(?i:[\P{Lu}])", r"use [^\p{…}]"),
        ("a{2,1}", "out of order"),
        ("[z-a]", "out of order"),
        ("[", "a class is not closed"),
        ("(", "a group is not closed"),
        (")", "closes no group"),
        ("*a", "nothing to repeat"),
        ("^*", "an assertion cannot be repeated"),
        (r"\Z", "unknown escape"),
        ("(?P<x>a)", "unknown group"),
        (r"\p{Nonsense}", "unknown Unicode property"),
        (r"\u{110000}", "no character"),
        (r"(\p{L}{500}){500}", "repeats "),
        ("(" * 2000, "nested groups"),
        ("\\", "ends the pattern"),
    ],
)
@pytest.mark.parametrize("place", ["pattern", "patternProperties"])
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_refused(pattern: str, reason: str, place: str) -> None:
    known = "" if "unknown Unicode" in reason or reason == "repeats " else f"/properties/a/{place}: .*"
    with pytest.raises(DefinitionError, match=f"{known}{re.escape(reason)}"):
        Schema({"properties": {"a": {place: pattern if place == "pattern" else {pattern: True}}}})


@pytest.mark.parametrize(
    "pattern",
    [r"^(\w+\s?)*$", "^(a+)+$", "^(a|aa)+$", "(.*)*x{2}y", r"^([a-z]+)*\d$", "^(?=(a+)+$)b", "^[ab]*a[ab]{100}[c]"],
)
def test_no_text_holds_a_pattern_up(pattern: str) -> None:
    field = Schema({"properties": {"a": {"pattern": pattern}}})
    draw = random.Random(1).choices  # noqa: S311 - a text, not a secret
    for text in ("a" * 26 + "!", "a" * 400_000 + "!", "".join(draw("ab", k=400_000))):
        started = time.process_time()
        field.is_valid({"a": text})
        assert time.process_time() - started < 5


def test_a_text_that_would_take_too_many_steps_is_invalid() -> None:
    field = Schema({"properties": {"a": {"pattern": "^[ab]*a[ab]{999}c"}}})
    longest = MAX_STEPS // 1002
    for size, keyword in ((longest, "pattern"), (longest + 1, "maxLength")):
        (found,) = field.violations({"a": "ab" * (size // 2) + "b" * (size % 2)})
        assert found.keyword == keyword
