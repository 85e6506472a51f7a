"""Every form of an answer says the same, and leads on to the next page."""

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from tailrace.encoding.tagged_json import loads

if TYPE_CHECKING:
    from tailrace.encoding.json_types import Json


def test_a_cursor_is_of_one_query_in_one_order(read: Callable[..., Any]) -> None:
    cursor = loads(read("hours/rows", shop="a", interval="day", limit=1)["body"])["cursor"]
    assert read("hours/rows", shop="a", interval="day", limit=5, cursor=cursor)["statusCode"] == 200
    for other in ({"interval": "month"}, {}, {"interval": "day", "order": "desc"}):
        assert read("hours/rows", shop="a", cursor=cursor, **other)["statusCode"] == 400


@pytest.mark.parametrize("path", ["hours/rows", "days/top"])
def test_every_form_says_the_same(read: Callable[..., Any], path: str) -> None:
    given = {"shop": "b#%"} if path == "hours/rows" else {"day": "2024-10-27", "by": "lines"}
    rows = loads(read(path, **given)["body"])["rows"]
    lines = read(path, "application/x-ndjson", **given)
    assert lines["headers"]["Content-Type"] == "application/x-ndjson"
    assert [loads(line) for line in lines["body"].splitlines()] == rows
    table = read(path, "text/csv", **given)
    assert table["headers"]["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert json.loads(table["headers"]["Tailrace-Freshness"]).keys() == {"newest_change", "age_s", "behind_s"}
    assert table["body"].endswith("\r\n")
    cells = list(csv.DictReader(io.StringIO(table["body"], newline="")))
    assert [{name: _cell(value) for name, value in row.items() if name in rows[0]} for row in cells] == [
        {name: _plain(value) for name, value in row.items()} for row in rows
    ]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | None) else json.loads(json.dumps(value, default=str))


def _cell(text: str) -> Any:
    try:
        return _plain(loads(text)) if text else None
    except Exception:  # noqa: BLE001 - a text stands as it is
        return text


def test_pages_of_lines_lead_on_by_their_header(read: Callable[..., Any]) -> None:
    found: list[Json] = []
    given: dict[str, Any] = {"shop": "b#%", "limit": 7, "order": "desc"}
    while True:
        answer = read("hours/rows", "application/x-ndjson", **given)
        found += map(loads, answer["body"].splitlines())
        if "Link" not in answer["headers"]:
            break
        address, relation = answer["headers"]["Link"].removeprefix("<").split(">; ")
        path, _, query = address.partition("?")
        assert (path, relation) == ("/aggregates/hours/rows", 'rel="next"')
        given = dict(parse_qsl(query))
    assert found == loads(read("hours/rows", shop="b#%", order="desc", limit=1000)["body"])["rows"]
