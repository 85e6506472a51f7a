"""Rows as CSV: inert in a spreadsheet by default, to the letter for programs."""

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, count, field, first, maximum, minimum, top, total
from tailrace.queries.formats import CSV, EXACT_CSV, row_format_for
from tests.strategies import awkward_texts, numbers

things = Collection("things", schema={"type": "object"})
AGGREGATE = Aggregate(
    "kinds",
    of=things,
    by=[field("kind"), field("=size")],
    measures={
        "n": count(),
        "sum": total("x"),
        "least": minimum("x"),
        "most": maximum("x"),
        "often": top("x", 2),
        "early": first("x", by="at"),
    },
)

DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tplain",
    "\rplain",
    "\nplain",
    "＝1+1",
    "＋1",
    "－1",
    "＠A1",
    "﹦1",
    "⁺1",
    "=",
    "-",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "-2+3+cmd|' /C calc'!A0",
    " =1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    "\x00=1",
    "\N{MINUS SIGN}1",
    "\u0301=1",
    "\ufe0f=1",
    "\u115f=1",
    "\u3164=1",
    "\u2800@A1",
    "\u202e\u3000＋1",
    "\ue000-1",
]
HARMLESS = [
    "",
    "a",
    "1-1",
    "a=1",
    "'=1",
    '"=1"',
    "#",
    "~",
    "é",
    "[-1]",
    "(1)",
    "_-1",
    "日本",
    "?",
    "/=",
    "'",
    "  a",
    "0",
]


def cells(media_type: str, *rows: dict[str, Any]) -> list[list[str]]:
    form = row_format_for(media_type, AGGREGATE)
    return list(csv.reader(io.StringIO(form.join([form.write(row) for row in rows]), newline="")))


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_text_that_a_spreadsheet_would_calculate_begins_with_an_apostrophe(text: str) -> None:
    row = {"kind": text, "=size": text, "n": 1, "least": text, "most": text}
    _, safe = cells(CSV, row)
    assert [safe[0], safe[1], safe[4], safe[5]] == [f"'{text}"] * 4
    _, exact = cells(EXACT_CSV, row)
    assert [exact[0], exact[1], exact[4], exact[5]] == [text] * 4


@pytest.mark.parametrize("text", HARMLESS)
def test_any_other_text_is_unchanged(text: str) -> None:
    _, safe = cells(CSV, {"kind": text, "n": 1})
    assert safe[0] == text


CUT = {
    "x;=1": "x;'=1",
    "x; \uff1d1;y": "x;' \uff1d1;y",
    'x;"=1"': 'x;\'"=1"',
    "x\n-1\t@y\r+2": "x\n'-1\t'@y\r'+2",
    "x\r\n \n=2": "x\r\n \n'=2",
    "=1;=2": "'=1;'=2",
    "+1\r\n=2": "'+1\r\n'=2",
    "\n=1": "'\n'=1",
    "\r=1;=2": "'\r'=1;'=2",
    "\t=1": "'\t'=1",
    'x\t"=1"': 'x\t\'"=1"',
    " \t\n=1": "' \t\n'=1",
    ";;=1": ";;'=1",
    "x; y = 1; 'z": "x; y = 1; 'z",
    "a;b;": "a;b;",
}


@pytest.mark.parametrize("text", CUT)
def test_no_part_is_calculated_where_another_sign_separates_cells(text: str) -> None:
    row = {"kind": text, "n": 1, "least": text, "most": text, "often": [{"value": text, "count": 2}]}
    _, safe = cells(CSV, row)
    assert [safe[0], safe[4], safe[5]] == [CUT[text]] * 3
    assert not re.search(r";\s*[=+\-@]", safe[6])
    assert json.loads(safe[6]) == [{"value": text, "count": 2}]
    _, exact = cells(EXACT_CSV, row)
    assert (exact[0], json.loads(exact[6])) == (text, json.loads(safe[6]))


@pytest.mark.parametrize("number", [-5, Decimal("-0.5"), Decimal("-1E-30"), -(10**37), 7])
def test_a_number_stays_a_number(number: Any) -> None:
    row = {"kind": number, "n": number, "sum": number, "least": number, "most": number}
    for media_type in (CSV, EXACT_CSV):
        _, found = cells(media_type, row)
        assert [Decimal(found[column]) for column in (0, 2, 3, 4, 5)] == [number] * 5


def test_lists_and_objects_are_json_which_no_spreadsheet_calculates() -> None:
    row = {"kind": True, "often": [{"value": "=1", "count": 2}], "early": {"value": "-1", "at": "2024"}}
    _, found = cells(CSV, row)
    assert (found[0], found[6], found[7]) == ("true", '[{"value":"=1","count":2}]', '{"value":"-1","at":"2024"}')


def test_the_header_is_inert_too() -> None:
    assert cells(CSV)[0][:3] == ["kind", "'=size", "n"]
    assert cells(EXACT_CSV)[0][:3] == ["kind", "=size", "n"]


@given(st.one_of(awkward_texts, st.text(st.sampled_from("=+-@\t\r\n ＝\u200b'\"1a"), max_size=4), numbers))
def test_the_two_forms_differ_by_apostrophes_at_most(value: Any) -> None:
    (_, safe), (_, exact) = cells(CSV, {"kind": value}), cells(EXACT_CSV, {"kind": value})
    assert safe[0].replace("'", "") == exact[0].replace("'", "")
    assert safe[0] in (exact[0], f"'{exact[0]}") or not set(";\t\r\n").isdisjoint(exact[0])
    assert not isinstance(value, str) or exact[0] == value
    assert not (isinstance(value, str) and safe[0].lstrip()[:1] in ("=", "+", "-", "@", "＝"))
