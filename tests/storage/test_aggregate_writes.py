"""Writes that fail, lose their answer or travel in batches count once: the real function on DynamoDB Local."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tailrace.aws.backfill.control import CONTROL
from tailrace.aws.runtime.clients import client
from tailrace.encoding.dynamodb import encode_item
from tailrace.errors import Permanent
from tailrace.testing import event, history, record
from tests.storage.conftest import Aggregates
from tests.storage.orders import DAY, HOUR, OTHER_SHARD, steps


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
        written = "control" if request["Key"]["pk"]["S"] == CONTROL else "update_item"
        calls.append((written if request["TableName"] == aggregates.name else "progress", 1))
        return write(**request)

    def batch_execute_statement(**request: Any) -> Any:
        calls.append(("batch_execute_statement", len(request["Statements"])))
        return write_batch(**request)

    monkeypatch.setattr(dynamodb, "update_item", update_item)
    monkeypatch.setattr(dynamodb, "batch_execute_statement", batch_execute_statement)
    shops = [record(n, "orders", (f"{n}", None, DAY | {"shop": f"s{n}", "amount": n})) for n in range(1, 41)]
    again = [record(100 + n, "orders", (f"x{n}", None, DAY | {"shop": f"s{n}", "amount": n})) for n in range(1, 41)]
    aggregates.absorb(event(shops))
    # once, the names of the collections; a row of each aggregate and an entry in the list of shops for each, the month;
    # for the whole batch, how far it is
    assert calls == [("control", 1), *[("update_item", 1)] * 121, ("progress", 1)]
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


def test_rows_that_the_process_knows_from_another_shard_travel_in_batches(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    single: list[str] = []
    dynamodb = client("dynamodb")
    write = dynamodb.update_item

    def update_item(**request: Any) -> Any:
        single.append(request["TableName"])
        return write(**request)

    aggregates.absorb(event(steps(DAY)))
    monkeypatch.setattr(dynamodb, "update_item", update_item)
    other = event([record(5, "orders", ("2", None, DAY))], shard=OTHER_SHARD)
    assert aggregates.absorb(other)["batchItemFailures"] == []
    assert aggregates.name not in single
    assert aggregates.values()[HOUR]["orders"] == 2


def test_a_known_row_that_was_made_again_without_groups_gets_them_and_its_counters(aggregates: Aggregates) -> None:
    aggregates.absorb(event(steps(DAY)))
    key = dict(zip(("pk", "sk"), HOUR, strict=True))
    aggregates.dynamodb.put_item(TableName=aggregates.name, Item=encode_item(key | {"orders": 1}))
    # what comes and goes within a batch adds nothing, so a statement would not miss the counters
    aggregates.absorb(event(history("orders", [("2", DAY), ("2", None)], first=5)))
    assert aggregates.rows()[HOUR].items() >= {"shop": "a#b", "~n": 0}.items()


def test_a_batch_whose_answer_was_lost_is_not_made_twice(
    aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = client("dynamodb")
    write_batch = dynamodb.batch_execute_statement

    def lossy(**request: Any) -> Any:
        write_batch(**request)
        answer: Any = {"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
        raise ClientError(answer, "BatchExecuteStatement")

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
