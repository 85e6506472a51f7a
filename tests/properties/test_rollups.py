"""Rows of hours, added up to days or to a whole range, are what an aggregate by day, or without time, has."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    day,
    distinct,
    field,
    first,
    hour,
    largest,
    last,
    maximum,
    mean,
    minimum,
    quantile,
    ratio,
    smallest,
    top,
    total,
    variance,
)
from tailrace.definition.measures.ratios import AnyMeasure
from tailrace.queries.rollup import Rollup
from tailrace.testing import history, rows, stored_rows

type Item = dict[str, Any]

SHOWN = 2
MEASURES: dict[str, AnyMeasure] = {
    "n": count(),
    "sum": total("amount"),
    "mean": mean("amount"),
    "spread": variance("amount"),
    "share": ratio("sum", "n"),
    "least": minimum("amount"),
    "greatest": maximum("kind"),
    "dear": largest("amount", 2, show=["kind"]),
    "cheap": smallest("amount", 3),
    "usual": top("kind", SHOWN),
    "opened": first("kind", by="at"),
    "newest": last("kind", by_value="amount"),
    "kinds": distinct("kind"),
    "median": quantile("amount", "0.5"),
    "per_kind": ratio("sum", "kinds"),
}
NEVER = {"kinds", "median", "per_kind"}
things = Collection("things", schema={"type": "object"})
BERLIN = "Europe/Berlin"
hours = Pipeline([things], [Aggregate("n", of=things, by=[field("shop"), hour("at", tz=BERLIN)], measures=MEASURES)])
coarser = {
    "day": Pipeline([things], [Aggregate("n", of=things, by=[field("shop"), day("at", tz=BERLIN)], measures=MEASURES)]),
    "range": Pipeline([things], [Aggregate("n", of=things, by=[field("shop")], measures=MEASURES)]),
}
items = st.fixed_dictionaries(
    {
        "shop": st.sampled_from(["a", "b#"]),
        # three hours of a day, two of which share their local time, and one of the day before
        "at": st.sampled_from(["2024-10-26T21:10Z", "2024-10-27T00:20Z", "2024-10-27T01:20:30Z", "2024-10-27T20:00Z"]),
    },
    optional={
        "amount": st.sampled_from([0, 3, -1, 10**30, Decimal("2.5")]),
        "kind": st.sampled_from(["x", "y", "", 7, True]),
    },
)


def with_several_lists(found: list[Item], interval: str) -> set[tuple[Any, ...]]:
    """Return the rows for which several hours list their most frequent kinds, and one of these lists is full."""
    lists = defaultdict(list)
    for row in found:
        if row["usual"]:
            lists[row["shop"], row["hour"][:10] if interval == "day" else ""].append(len(row["usual"]))
    return {place for place, sizes in lists.items() if len(sizes) > 1 and max(sizes) >= SHOWN}


@pytest.mark.parametrize("interval", coarser)
@settings(max_examples=50)
@given(st.lists(items, max_size=8))
def test_rows_that_are_added_up_equal_those_of_a_coarser_aggregate(interval: str, given_items: list[Item]) -> None:
    records = history("things", [(str(number), item) for number, item in enumerate(given_items)])
    unknown = with_several_lists(rows(records, hours)["n"], interval)
    rollup = Rollup(hours.aggregates[0], interval, stored_rows(records, hours))
    found = [row for _, row in rollup.rows(descending=False)]
    expected = rows(records, coarser[interval])["n"]
    for row in expected:
        missing = NEVER | ({"usual"} if (row["shop"], row.get("day", "")) in unknown else set())
        for name in missing:
            del row[name]
    assert [repr({**row, "updated_at": None}) for row in found] == [
        repr({**row, "updated_at": None}) for row in expected
    ]
    assert rollup.left_out == NEVER | ({"usual"} if unknown else set())
