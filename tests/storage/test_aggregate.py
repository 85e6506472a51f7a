"""Each change is counted once, however often and however cut it is delivered: the real function on DynamoDB Local."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.aws.clients import client
from tailrace.errors import InvalidItem, Permanent
from tests import strategies
from tests.pipelines.orders import pipeline
from tests.storage.conftest import Aggregates
from tests.streams import event, history, record

OTHER_SHARD = "shardId-00000001700000000000-ffffffff"
DAY = {"shop": "a#b", "placed": "2024-10-27T00:30:00Z"}
HOUR = ("shop_hours@1#a%23b", "2024-10-27T02:00+02:00")

orders_history = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3"]), st.one_of(st.none(), strategies.orders)), min_size=1, max_size=10
)


def steps(*orders: dict[str, Any] | None) -> list[dict[str, Any]]:
    return history("orders", [("1", order) for order in orders])


def expected(items: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Recount items from nothing, by the definition's words alone, for two of the aggregates."""
    rows: defaultdict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for item in items:
        try:
            order = pipeline.collection("orders").prepare(item)
        except InvalidItem:
            continue
        label = pipeline.aggregate("months").by[0].value(order)
        row = rows["months@2#" + str(label), "-"]
        row["month"] = label
        row["lines_total"] = row.get("lines_total", 0) + order.get("lines", 0)
        row["lines_count"] = row.get("lines_count", 0) + ("lines" in order)
        if order["large"]:
            week = pipeline.aggregate("large_weeks").by[0].value(order)
            row = rows[f"large_weeks@1#{week}", "true"]
            row |= {"week": week, "large": True, "lines": row.get("lines", 0) + order.get("lines", 0)}
    return dict(rows)


def test_a_row_holds_plain_exact_values(aggregates: Aggregates) -> None:
    answer = aggregates.absorb(
        event(steps(DAY | {"amount": Decimal("0.1")}, DAY | {"amount": Decimal("0.3"), "paid": True}))
    )
    assert answer == {"state": {}, "batchItemFailures": []}
    row = aggregates.values()[HOUR]
    assert row.pop("expires_at") == 1_729_990_800 + 36_500 * 86_400
    assert row == {
        "shop": "a#b",
        "hour": HOUR[1],
        "orders": 1,
        "paid": 1,
        "revenue": Decimal("0.3"),
        "basket_total": Decimal("0.3"),
        "basket_count": 1,
        "spread_total": Decimal("0.3"),
        "spread_count": 1,
        "spread_squares": Decimal("0.09"),
    }


@pytest.mark.parametrize("batches", [False, True])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders_history, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10)), max_size=6))
def test_any_redelivery_however_cut_changes_nothing(
    aggregates: Aggregates,
    monkeypatch: pytest.MonkeyPatch,
    batches: bool,
    writes: list[Any],
    again: list[tuple[int, int]],
) -> None:
    if batches:
        aggregates.batches(monkeypatch)
    for key in aggregates.rows():
        aggregates.dynamodb.delete_item(TableName=aggregates.name, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})
    records = history("orders", writes)
    aggregates.absorb(event(records))
    once = aggregates.rows()
    for start, length in again:
        aggregates.absorb(event(records[start : start + length]))
    assert aggregates.rows() == once
    left = {item_id: item for item_id, item in writes if item is not None}
    left = {item_id: dict(writes)[item_id] for item_id in left if dict(writes)[item_id] is not None}
    values = aggregates.values()
    found = {key: row for key, row in values.items() if key[0].startswith(("months", "large_weeks"))}
    assert found == expected(list(left.values()))


def test_a_second_delivery_that_holds_more_adds_only_what_is_new(aggregates: Aggregates) -> None:
    records = steps(DAY, DAY | {"paid": True}, DAY | {"lines": 2}, None)
    aggregates.absorb(event(records[:2]))
    aggregates.absorb(event(records[:3]))
    assert aggregates.values()["months@2#2024-10", "-"]["lines_total"] == 2
    aggregates.absorb(event(records[1:]))
    assert aggregates.values() == {}


def test_a_part_redelivered_after_all_has_cancelled_out_counts_nothing(aggregates: Aggregates) -> None:
    records = steps(DAY, None)
    aggregates.absorb(event(records))
    aggregates.absorb(event(records[:1]))
    assert aggregates.values() == {}


def test_each_shard_has_its_own_mark(aggregates: Aggregates) -> None:
    aggregates.absorb(event([record(9, "orders", ("1", None, DAY))]))
    aggregates.absorb(event([record(5, "orders", ("2", None, DAY))], shard=OTHER_SHARD))
    aggregates.absorb(event([record(5, "orders", ("2", None, DAY))], shard=OTHER_SHARD))
    assert aggregates.values()[HOUR]["orders"] == 2


def test_sequence_numbers_are_compared_as_numbers(aggregates: Aggregates) -> None:
    for sequence in (9, 10, 99 * 10**20, 10**22, 10**39):
        aggregates.absorb(event([record(sequence, "orders", (str(sequence), None, DAY))]))
    assert aggregates.values()[HOUR]["orders"] == 5


def test_an_event_without_a_shard_is_counted_each_time_and_says_so(
    aggregates: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = event([record(1, "orders", ("1", None, DAY))], shard=None)
    assert aggregates.absorb(bare)["batchItemFailures"] == []
    aggregates.absorb(bare)
    assert aggregates.values()[HOUR]["orders"] == 2
    assert '"ChangesWithoutShard":[1.0]' in capsys.readouterr().out


def test_what_expires_stays_counted_where_the_collection_says_so(aggregates: Aggregates) -> None:
    aggregates.absorb(event(steps(DAY)))
    aggregates.absorb(event([record(8, "orders", ("1", DAY, None), expired=True)]))
    assert aggregates.values()[HOUR]["orders"] == 1
    visit = {"page": "/", "ms": Decimal("1.5")}
    aggregates.absorb(event([record(9, "visits", ("1", None, visit))]))
    aggregates.absorb(event([record(10, "visits", ("1", visit, None), expired=True)]))
    assert ("pages@1#/", "-") not in aggregates.values()


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


def test_a_group_that_no_key_can_hold_counts_nowhere_and_stops_nobody(aggregates: Aggregates) -> None:
    pages = ["p" * 2034, "p" * 2042, "é" * 1022, "", "#" * 700, "/"]
    records = [record(n, "visits", (str(n), None, {"page": page})) for n, page in enumerate(pages, start=1)]
    assert aggregates.absorb(event(records))["batchItemFailures"] == []
    assert {row["page"] for row in aggregates.values().values()} == {"p" * 2034, "", "/"}


def test_a_sum_that_the_table_cannot_hold_is_told_and_stops_nobody(
    aggregates: Aggregates, capsys: pytest.CaptureFixture[str]
) -> None:
    visits = [{"page": "/", "ms": ms} for ms in (10**17, Decimal("1E-17"), 5)] + [{"page": "/other", "ms": 1}]
    records = [record(n, "visits", (str(n), None, visit)) for n, visit in enumerate(visits, start=1)]
    for told in (True, False):  # a second delivery finds the mark beyond it
        assert aggregates.absorb(event(records))["batchItemFailures"] == []
        assert ('"RowsRefused":[1.0]' in capsys.readouterr().out) == told
        row = aggregates.rows()["pages@1#/", "-"]
        assert (row["~n"], row["visits"], row["ms_total"], row["~inexact"]) == (3, 2, 10**17 + 5, 1)
        assert (pipeline.aggregate("pages").present(row) or {})["inexact"] is True
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


def test_a_busy_row_is_the_checkpoint_and_the_rest_is_not_counted_again(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DAY | {"shop": "c"}
    records = [record(n, "orders", (str(n), None, DAY if n < 3 else other)) for n in (1, 2, 3, 4)]
    dynamodb = client("dynamodb")
    write = dynamodb.update_item

    def busy(**request: Any) -> Any:
        if request["Key"]["pk"]["S"] == "shop_hours@1#c":
            answer: Any = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(answer, "UpdateItem")
        return write(**request)

    with monkeypatch.context() as patch:
        patch.setattr(dynamodb, "update_item", busy)
        answer = aggregates.absorb(event(records))
    assert answer["batchItemFailures"] == [{"itemIdentifier": records[2]["dynamodb"]["SequenceNumber"]}]
    assert aggregates.absorb(event(records[2:]))["batchItemFailures"] == []
    assert aggregates.values()[HOUR]["orders"] == 2
    assert aggregates.values()["shop_hours@1#c", HOUR[1]]["orders"] == 2
    assert aggregates.values()["months@2#2024-10", "-"]["lines_count"] == 0
    assert aggregates.rows()["months@2#2024-10", "-"]["~n"] == 4


def test_a_write_whose_answer_was_lost_is_not_made_twice(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = client("dynamodb")
    write = dynamodb.update_item

    def lossy(**request: Any) -> Any:
        write(**request)
        answer: Any = {"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
        raise ClientError(answer, "UpdateItem")

    records = steps(DAY, DAY | {"lines": 1})
    with monkeypatch.context() as patch:
        patch.setattr(dynamodb, "update_item", lossy)
        assert aggregates.absorb(event(records))["batchItemFailures"]
    assert aggregates.absorb(event(records))["batchItemFailures"] == []
    assert aggregates.values()[HOUR]["orders"] == 1


def test_known_rows_travel_in_batches_and_no_row_is_written_twice(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []
    dynamodb = client("dynamodb")
    write, write_batch = dynamodb.update_item, dynamodb.batch_execute_statement

    def update_item(**request: Any) -> Any:
        calls.append(("update_item" if request["TableName"] == aggregates.name else "progress", 1))
        return write(**request)

    def batch_execute_statement(**request: Any) -> Any:
        calls.append(("batch_execute_statement", len(request["Statements"])))
        return write_batch(**request)

    aggregates.batches(monkeypatch)
    monkeypatch.setattr(dynamodb, "update_item", update_item)
    monkeypatch.setattr(dynamodb, "batch_execute_statement", batch_execute_statement)
    shops = [record(n, "orders", (f"{n}", None, DAY | {"shop": f"s{n}", "amount": n})) for n in range(1, 41)]
    again = [record(100 + n, "orders", (f"x{n}", None, DAY | {"shop": f"s{n}", "amount": n})) for n in range(1, 41)]
    aggregates.absorb(event(shops))
    # a row of each aggregate and an entry in the list of shops for each, the month; for the whole batch, how far it is
    assert calls == [*[("update_item", 1)] * 121, ("progress", 1)]
    calls.clear()
    aggregates.absorb(event(again))
    assert sorted(calls) == [*(("batch_execute_statement", size) for size in (21, 25, 25, 25, 25)), ("progress", 1)]
    calls.clear()
    rows = aggregates.rows()
    assert rows["shop_hours@1#s40", HOUR[1]]["revenue"] == 0
    assert rows["shop_hours@1#s40", HOUR[1]]["basket_total"] == 80
    # a batch that comes again, and one that holds both old and new changes: refused by the mark, then told apart
    third = [record(200 + n, "orders", (f"y{n}", None, DAY | {"shop": f"s{n}"})) for n in range(1, 41)]
    assert aggregates.absorb(event(again))["batchItemFailures"] == []
    assert aggregates.rows() == rows
    assert aggregates.absorb(event(again + third))["batchItemFailures"] == []
    assert {row["~n"] for key, row in aggregates.rows().items() if key[0].startswith("shop_hours")} == {3}


def test_a_batch_whose_answer_was_lost_is_not_made_twice(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = client("dynamodb")
    write_batch = dynamodb.batch_execute_statement

    def lossy(**request: Any) -> Any:
        write_batch(**request)
        answer: Any = {"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
        raise ClientError(answer, "BatchExecuteStatement")

    aggregates.batches(monkeypatch)
    records = steps(DAY, DAY | {"lines": 1})
    aggregates.absorb(event(records[:1]))
    with monkeypatch.context() as patch:
        patch.setattr(dynamodb, "batch_execute_statement", lossy)
        assert aggregates.absorb(event(records[1:]))["batchItemFailures"]
    assert aggregates.absorb(event(records[1:]))["batchItemFailures"] == []
    assert aggregates.values()["months@2#2024-10", "-"]["lines_total"] == 1


def test_a_row_that_is_too_wide_for_a_statement_is_written_by_itself(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.wide:pipeline")
    aggregates.batches(monkeypatch)
    wide = {"shop": "a"} | {f"f{number}": number for number in range(99)}
    for number in (1, 2):
        answer = aggregates.absorb(event([record(number, "things", (str(number), None, wide))]))
        assert answer["batchItemFailures"] == []
    assert aggregates.values()["wide@1#a", "-"]["m" * 60 + "98_total"] == 2 * 98


def test_a_table_that_is_gone_is_never_passed_over_in_silence(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGGREGATES_TABLE", "nowhere")
    with pytest.raises(Permanent, match="ResourceNotFoundException"):
        aggregates.absorb(event(steps(DAY)))


def test_the_final_call_of_a_window_has_no_records_and_gives_the_state_back(aggregates: Aggregates) -> None:
    final = event([]) | {"isFinalInvokeForWindow": True, "state": {"kept": 1}}
    assert aggregates.absorb(final) == {"state": {"kept": 1}, "batchItemFailures": []}
