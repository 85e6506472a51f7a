"""Days added up from hours and minutes have all their items, around changes of the clock that touch midnight."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from tailrace import Aggregate, Collection, Pipeline, count, field, hour, minute
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.encoding.tagged_json import loads
from tailrace.queries.parameters import parse_row_query
from tailrace.testing import history, stored_rows
from tests.unit.queries.table import Table

CHANGES = {
    "Africa/Cairo": "2024-04-25T22:00Z",
    "America/Santiago": "2024-09-08T04:00Z",
    "America/Sao_Paulo": "2018-02-18T02:00Z",
    "America/St_Johns": "2010-11-07T02:31Z",
    "Antarctica/Casey": "2010-03-04T15:00Z",
    "Australia/Lord_Howe": "2024-04-06T15:00Z",
    "Europe/Berlin": "2024-03-31T01:00Z",
    "Pacific/Apia": "2011-12-30T10:00Z",
}
ORDERS = {
    "hours first": [hour, None],
    "shops first": [None, hour],
    "minutes": [None, minute],
}


@pytest.mark.parametrize("limit", [2, 1000])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("by", ORDERS)
@pytest.mark.parametrize("zone", CHANGES)
def test_a_day_added_up_from_shorter_buckets_has_all_its_items(zone: str, by: str, order: str, limit: int) -> None:
    sales = Collection("sales", schema={"type": "object"})
    groups: list[Any] = [field("shop") if make is None else make("at", tz=zone) for make in ORDERS[by]]
    aggregate = Aggregate("sales_by", of=sales, by=groups, measures={"n": count()})
    change = datetime.fromisoformat(CHANGES[zone])
    moments = [change + timedelta(minutes=10 * step) for step in range(-6 * 30, 6 * 30)]
    items = [(str(number), {"shop": "a", "at": at.isoformat()}) for number, at in enumerate(moments)]
    reader = RowReader(cast("Any", Table(stored_rows(history("sales", items), Pipeline([sales], [aggregate])))), "rows")
    days = Counter(at.astimezone(ZoneInfo(zone)).date().isoformat() for at in moments)
    shop = [] if by == "hours first" else [("shop", "a")]
    found: list[tuple[str, int]] = []
    ends = [("from", min(days)), ("to", max(days)), ("interval", "day"), ("order", order), ("limit", str(limit))]
    cursor: list[tuple[str, str]] = []
    while True:
        page = reader.read(parse_row_query(aggregate, [*shop, *ends, *cursor]))
        rows = [loads(row) for row in page.rows]
        found += [(row["day"], row["n"]) for row in rows]
        if page.cursor is None:
            break
        cursor = [("cursor", page.cursor)]
    assert found == sorted(days.items(), reverse=order == "desc")
    for one, items_of_day in days.items():
        page = reader.read(parse_row_query(aggregate, [*shop, ("from", one), ("to", one), ("limit", "1000")]))
        assert page.cursor is None
        assert sum(loads(row)["n"] for row in page.rows) == items_of_day
    assert change.tzinfo is UTC
