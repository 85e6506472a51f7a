"""Patterns mean what ECMA-262 says: generated patterns match the same texts as in V8, the engine of the dashboard."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import playwright
import pytest

from tailrace.definition.json_schema.pattern_rules import matches
from tailrace.definition.json_schema.patterns import PatternError

NODE = Path(playwright.__file__).parent / "driver" / "node"
PROGRAM = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = cases.map(([pattern, texts]) => texts.map((text) => new RegExp(pattern, "u").test(text)));
console.log(JSON.stringify(found));
"""
CHARACTERS = [*"aAbzZ09_ -.é$^&~\n\r\t\x0b\x00}]{", "\u2028", "\ufeff", "\u017f", "\u212a", "😀", "٣", "α"]
ATOMS = [
    *("a", "Z", "0", "_", " ", "-", r"\.", "é", r"\$", r"\^", r"\n", r"\r", r"\t", r"\v", r"\0", r"\/", r"\{", r"\]"),
    *(r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", ".", r"\u2028", r"\u{1F600}", r"\ud83d\ude00", r"\cJ", r"\x61"),
    *(r"\p{L}", r"\P{L}", r"\p{Lu}", r"\p{Script=Greek}", r"\p{N}", "[abz]", "[^abz]", "[a-z0-9]", "[^]", "[]"),
    *(r"[\d\-z]", r"[\w.]", r"[^\s]", r"[\S]", r"[\u{1F600}a]", r"[\b\n]", r"[^\W_]", "[$^.*+]", r"[\]\[]", "[&&a]"),
    *("[a~~b]", "[--a]", r"[\p{Lu}0-9]", r"[^\P{L}a]", r"[\ud83d\ude00]", r"[\u2000-\uffff]", r"[\D]"),
]
QUANTIFIERS = ["", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "??", "{1,2}?"]


class Patterns:
    """Draws patterns; names of groups are unique, as they must be."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - for patterns, not secrets
        self._names = 0

    def alternatives(self, depth: int) -> str:
        branches = range(self.draw.choice([1, 1, 2]))
        return "|".join("".join(self._term(depth) for _ in range(self.draw.randint(0, 3))) for _ in branches)

    def _term(self, depth: int) -> str:
        kind = self.draw.random()
        if kind < 0.12:
            return self.draw.choice(["^", "$", r"\b"])
        if kind < 0.35 and depth:
            self._names += 1
            opening = self.draw.choice(["(", "(?:", f"(?<name{self._names}>", "(?i:", "(?s:", "(?-i:"])
            return f"{opening}{self.alternatives(depth - 1)}){self.draw.choice(QUANTIFIERS)}"
        return self.draw.choice(ATOMS) + self.draw.choice(QUANTIFIERS)

    def pattern(self) -> str:
        pattern = self.alternatives(2)
        if self.draw.random() < 0.15:
            lookaheads = [f"{self.draw.choice(['(?=', '(?!'])}{self.alternatives(1)})" for _ in range(2)]
            return f"^{''.join(lookaheads)}(?:{pattern})"
        return pattern

    def texts(self) -> list[str]:
        return ["".join(self.draw.choices(CHARACTERS, k=self.draw.randint(0, 5))) for _ in range(8)]


@pytest.mark.parametrize("seed", range(2))
def test_a_pattern_matches_the_texts_that_it_matches_in_v8(seed: int) -> None:
    patterns = Patterns(seed)
    cases: list[tuple[str, list[str]]] = []
    found: list[Any] = []
    while len(cases) < 1500:
        pattern, texts = patterns.pattern(), patterns.texts()
        try:
            found.append([matches(pattern, text) for text in texts])
        except PatternError as error:
            assert "where case is ignored" in str(error)  # noqa: PT017 - the only construct that is left out
        else:
            cases.append((pattern, texts))
    program = subprocess.run([NODE, "-e", PROGRAM], input=json.dumps(cases), capture_output=True, text=True, check=True)
    differing = [case for case, mine, v8 in zip(cases, found, json.loads(program.stdout), strict=True) if mine != v8]
    assert not differing[:5]
