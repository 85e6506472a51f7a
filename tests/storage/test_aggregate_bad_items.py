"""What cannot be counted counts nowhere and stops nobody: the real function on DynamoDB Local."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tailrace.testing import event, record
from tests.pipelines.orders import pipeline
from tests.storage.conftest import Aggregates
from tests.storage.orders import DAY, HOUR, steps

BAD: dict[str, dict[str, Any]] = {
    "a missing field": {"shop": "a"},
    "a wrong type": DAY | {"lines": "7"},
    "a broken transform": DAY | {"lines": 13},
    "no time": DAY | {"placed": "soon"},
    "300 KB of text": DAY | {"shop": "s" * 300_000},
    "awkward characters": {"#~": "~#", "~n": 7, "shop": "#", "placed": "~"},
    "sets and binary": DAY | {"tags": {b"\x00", b"\xff"}},
}


@pytest.mark.parametrize("bad", BAD, ids=lambda name: name.replace(" ", "-"))
def test_a_bad_item_counts_nowhere_and_its_neighbours_do(aggregates: Aggregates, bad: str) -> None:
    good = [record(1, "orders", ("1", None, DAY)), record(4, "orders", ("2", None, DAY))]
    broken = [record(2, "orders", ("x", None, BAD[bad])), record(3, "orders", ("x", BAD[bad], None))]
    answer = aggregates.absorb(json.loads(json.dumps(event([good[0], *broken, good[1]]), default=lambda _b: "AA==")))
    assert answer["batchItemFailures"] == []
    assert aggregates.values()[HOUR]["orders"] == 2


@pytest.mark.failure_path("ItemsNotCounted", "aggregate")
def test_a_group_that_no_key_can_hold_counts_nowhere_and_stops_nobody(
    aggregates: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = ["p" * 2034, "p" * 2042, "é" * 1022, "", "#" * 700, "/"]
    records = [record(n, "visits", (str(n), None, {"page": page})) for n, page in enumerate(pages, start=1)]
    assert aggregates.absorb(event(records))["batchItemFailures"] == []
    assert {row["page"] for row in aggregates.values().values()} == {"p" * 2034, "", "/"}
    told = capsys.readouterr().out
    assert '"ItemsNotCounted":[3.0]' in told
    assert '"aggregate":"pages"' in told


@pytest.mark.failure_path("RowsRefused", "aggregate")
def test_a_sum_that_the_table_cannot_hold_is_told_and_stops_nobody(
    aggregates: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    visits = [{"page": "/", "ms": ms} for ms in (10**17, Decimal("1E-17"), 5)] + [{"page": "/other", "ms": 1}]
    records = [record(n, "visits", (str(n), None, visit)) for n, visit in enumerate(visits, start=1)]
    for document in (True, False):  # a second delivery finds the mark beyond it
        assert aggregates.absorb(event(records))["batchItemFailures"] == []
        assert ('"RowsRefused":[1.0]' in capsys.readouterr().out) == document
        row = aggregates.rows()["pages@1#/", "-"]
        assert (row["~n"], row["visits"], row["ms_total"], row["~inexact"]) == (3, 2, 10**17 + 5, 1)
        assert (pipeline.aggregate("pages").render(row) or {})["inexact"] is True
        assert aggregates.values()["pages@1#/other", "-"]["visits"] == 1


def test_an_item_that_breaks_is_taken_out_and_comes_back_when_mended(aggregates: Aggregates) -> None:
    records = steps(DAY, DAY | {"lines": 13}, DAY | {"lines": 1})
    aggregates.absorb(event(records[:2]))
    assert aggregates.values() == {}
    aggregates.absorb(event(records[2:]))
    assert aggregates.values()[HOUR]["orders"] == 1


def test_records_of_other_shapes_are_passed_over(aggregates: Aggregates) -> None:
    stranger = record(1, "orders", ("1", None, DAY))
    stranger["dynamodb"]["Keys"] = {"id": {"N": "1"}}
    unknown = record(2, "planes", ("1", None, {"a": 1}))
    odd = record(3, "orders", ("1", None, DAY))
    odd["dynamodb"]["NewImage"]["lines"] = {"N": "many"}
    assert aggregates.absorb(event([stranger, unknown, odd]))["batchItemFailures"] == []
    assert aggregates.values() == {}
