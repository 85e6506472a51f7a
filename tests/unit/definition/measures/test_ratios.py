"""Ratios: made from two measures when a row is read."""

from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    DefinitionError,
    Pipeline,
    count,
    day,
    distinct,
    field,
    maximum,
    ratio,
    top,
    total,
)
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.backfill.fingerprints.meaning import fingerprint
from tailrace.definition.descriptions import describe
from tailrace.definition.measures.linear import divide
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.http.openapi.aggregates import row_schema
from tailrace.queries.formats import CSV, row_format_for
from tailrace.queries.parameters import parse_ranking_query, parse_row_query, rankable_measures
from tailrace.testing import history, stored_rows
from tests.unit.queries.table import Table


def is_late(flight: Any) -> bool:
    """Tell whether a flight is late."""
    return bool(flight["late"])


FLIGHTS = Collection("flights", schema={"type": "object"})
STORED: dict[str, Any] = {
    "flights": count(),
    "late": count(where=is_late),
    "miles": total("miles"),
    "airports": distinct("airport"),
    "furthest": maximum("airport"),
}
RATIOS: dict[str, Any] = {
    "late_share": ratio("late", "flights", unit="%", description="Late."),
    "miles_per_airport": ratio("miles", "airports"),
    "flights_per_mile": ratio("flights", "miles"),
    "senseless": ratio("furthest", "flights"),
}


def aggregate(**measures: Any) -> Aggregate:
    return Aggregate("carriers", of=FLIGHTS, by=[field("carrier"), day("at")], measures=measures)


WITH = aggregate(**RATIOS, **STORED)


def test_a_ratio_stores_nothing() -> None:
    without = aggregate(**STORED)
    assert WITH.layout.counters == without.layout.counters
    item = {"carrier": "UA", "at": "2024-06-01", "late": True, "miles": 3, "airport": "JFK"}
    records = history("flights", [("1", item)])
    assert stored_rows(records, Pipeline([FLIGHTS], [WITH])) == stored_rows(records, Pipeline([FLIGHTS], [without]))


def test_adding_or_changing_a_ratio_keeps_the_meaning() -> None:
    known = fingerprint(aggregate(**STORED))
    assert fingerprint(WITH) == known
    assert fingerprint(aggregate(**STORED, late_share=ratio("flights", "late"))) == known


flights = st.tuples(
    st.sampled_from(["2024-06-01", "2024-06-02", "2024-06-08"]),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(["JFK", "LGA"]),
)


@given(st.lists(flights, min_size=1, max_size=12), st.sampled_from([None, "week", "month"]))
def test_a_rolled_up_ratio_is_the_ratio_of_the_sums(
    made: list[tuple[str, bool, int, str]], interval: str | None
) -> None:
    items = [
        {"carrier": "UA", "at": at, "late": late, "miles": miles, "airport": airport}
        for at, late, miles, airport in made
    ]
    records = history("flights", [(str(number), item) for number, item in enumerate(items)])
    reader = RowReader(cast("Any", Table(stored_rows(records, Pipeline([FLIGHTS], [WITH])))), "rows")
    rolled = [] if interval is None else [("interval", interval)]
    for text in reader.read(parse_row_query(WITH, [("carrier", "UA"), *rolled])).rows:
        row = loads(text)
        late, miles = Decimal(row["late"]), Decimal(row["miles"])
        assert row["late_share"] == divide(late, row["flights"])
        assert row["flights_per_mile"] == (divide(row["flights"], miles) if miles else None)
        assert row["senseless"] is None
        if interval is None:
            assert row["miles_per_airport"] == divide(miles, row["airports"])
        else:
            assert row.keys().isdisjoint(["miles_per_airport", "airports"]), "different airports cannot be added up"


def test_rows_are_ranked_and_written_with_ratios() -> None:
    assert rankable_measures(WITH) == [*RATIOS, *STORED]
    query, by, _ = parse_ranking_query(WITH, [("carrier", "UA"), ("by", "late_share")])
    items = [
        (str(number), {"carrier": "UA", "at": f"2024-06-0{1 + number % 3}", "late": number % 7 == 0, "airport": "JFK"})
        for number in range(12)
    ]
    table = Table(stored_rows(history("flights", items), Pipeline([FLIGHTS], [WITH])))
    reader = RowReader(cast("Any", table), "rows")
    ranked = [loads(row)["late_share"] for row in reader.rank(query, by, dumps, greatest=True).rows]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) == 3
    written = row_format_for(CSV, WITH)
    page = reader.read(parse_row_query(WITH, [("carrier", "UA"), ("limit", "1")]), written.write)
    assert written.header.startswith("carrier,day,late_share,")
    assert page.rows[0].startswith("UA,2024-06-01,0.25,")


def test_readers_are_told_about_ratios() -> None:
    described = next(one for one in describe(WITH)["measures"] if one["name"] == "late_share")
    assert described == {
        "name": "late_share",
        "kind": "ratio",
        "unit": "%",
        "description": "Late.",
        "numerator": "late",
        "denominator": "flights",
    }
    schema = row_schema(WITH)
    assert schema["properties"]["late_share"] == {"type": ["number", "null"], "description": "Late.", "x-unit": "%"}
    assert "late_share" in schema["required"]
    assert "miles_per_airport" not in schema["required"]


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ({"n": count(), "r": ratio("n", "nn")}, "'r' is a ratio of 'nn'; expected one of: n"),
        ({"n": count(), "t": top("x", 3), "r": ratio("t", "n")}, "'r' is a ratio of 't'"),
        ({"n": count(), "r": ratio("n", "n"), "rr": ratio("r", "n")}, "'rr' is a ratio of 'r'"),
        ({"r": ratio("a", "b")}, "at least one measure"),
        ({"n": count(), "carrier": ratio("n", "n")}, "duplicate attribute name 'carrier'"),
        ({"n": count(), "~r": ratio("n", "n")}, "must not be empty or start with '~'"),
        ({"n": count(), "r": ratio("n", "n", unit="")}, "unit= must be a non-empty string"),
    ],
)
def test_a_ratio_of_anything_else_is_refused(measures: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        aggregate(**measures)
