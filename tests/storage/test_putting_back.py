"""Failures are put back into tables with keys of their own, on DynamoDB Local: text, number and binary keys."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

import pytest

from cli.errors import CommandError
from cli.failures import files, gate
from cli.failures.items.table import ItemTable
from cli.failures.run import Policy
from tailrace import Collection, Pipeline, Route
from tailrace.aws.items.store import ItemStore
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps
from tailrace.testing import record
from tests.unit.cli.failures.world import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SAFE, BOTH = Policy(), Policy(create=True, overwrite=True)


@dataclass(frozen=True)
class Design:
    """A table's keys, the key templates of its items, and two items' ids with the fields in them."""

    attributes: dict[str, str]
    key: dict[str, Any] | None
    ids: dict[str, Item]
    match: dict[str, Any] | None = None


DESIGNS = {
    "text": Design({"PK": "S"}, {"PK": "THING#{name}"}, {"a b": {"name": "a b"}, "ü/~": {"name": "ü/~"}}),
    "number": Design({"nr": "N"}, {"nr": "{nr:number}"}, {"1.5": {}, "-200": {}}),
    "binary": Design({"raw": "B"}, {"raw": "{raw:binary}"}, {"AP8": {}, "Iw": {}}),
    "range": Design(
        {"PK": "S", "SK": "S"},
        {"PK": "SHOP#{shop}", "SK": "THING#{name}"},
        {"x/1": {"shop": "x", "name": "1"}, "x~1y/~01": {"shop": "x/y", "name": "~1"}},
    ),
    "mixed": Design(
        {"raw": "B", "nr": "N"}, {"raw": "{raw:binary}", "nr": "{nr:number}"}, {"AP8/7": {}, "Iw/0.25": {}}
    ),
    "match": Design({"PK": "S"}, {"PK": "{name+}"}, {"a": {"name": "a"}, "b": {"name": "b"}}, {"entity": "Thing"}),
    "plain": Design({"pk": "S"}, None, {"a": {}, "b#/": {}}, {"entity": "Thing"}),
}


class OwnKeys(Stack):
    """A stack whose items table is on DynamoDB Local."""

    design: Design

    def define(self, transform: Any = None) -> None:
        """Deploy the design's definition."""
        schema = {"type": "object", "required": ["n"]}
        design = self.design
        things = Collection("things", schema=schema, transform=transform, key=design.key, match=design.match)
        self.deploy(Pipeline([things], routes=[Route("even", of=things, when=lambda item: item["n"] % 2 == 0)]))

    @property
    def store(self) -> ItemStore:
        client: Any = self.database
        return ItemStore(client, "items", self.pipeline)

    @override
    def items(self) -> dict[str, Any]:
        """Return the items that exist, by id."""
        keys = self.pipeline.collection("things").keys
        rows = [decode_item(row) for row in self.database.scan(TableName="items")["Items"]]
        ids = [identity.id for row in rows if (identity := keys.identity(row)) is not None]
        return {one: self.store.get("things", one).item for one in ids}


@pytest.fixture(params=DESIGNS)
def stack(request: pytest.FixtureRequest, tmp_path: Path, dynamodb: "DynamoDBClient") -> Iterator[OwnKeys]:
    design = DESIGNS[request.param]
    client: Any = dynamodb
    client.create_table(
        TableName="items",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in design.attributes.items()
        ],
        KeySchema=[
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(design.attributes, ("HASH", "RANGE"), strict=False)
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.create_table(
        TableName="progress",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    found = OwnKeys(tmp_path)
    found.database, found.design = client, design
    found.define()
    yield found
    for name in ("items", "progress"):
        client.delete_table(TableName=name)


def message(op: str, item_id: str, **members: Any) -> dict[str, Any]:
    return {"op": op, "collection": "things", "id": item_id} | members


def whole(stack: OwnKeys, item_id: str, fields: Item) -> Item:
    """Return an item with the fields that its key and collection give it."""
    return stack.pipeline.collection("things").keys.completed(item_id, fields)


def test_messages_are_compared_with_the_items_and_put_back(stack: OwnKeys) -> None:
    first, second = stack.design.ids
    stack.store.put("things", first, {"n": 1})
    stack.dead(message("put", first, item={"n": 1}), message("patch", first, patch={"n": 2}))
    stack.dead(message("put", second, item={"n": 3}), message("delete", second))
    tally = stack.redrive("intake", SAFE).tally
    assert dict(tally.removed) == {gate.APPLIED: 1}
    assert dict(tally.left) == {gate.DIFFERENT: 1, gate.ABSENT: 1, gate.BEHIND: 1}
    assert stack.redrive("intake", BOTH).tally.put_back == 3
    stack.ingest_all()
    assert stack.items() == {first: whole(stack, first, {"n": 2})}
    assert stack.s3.keys("quarantine/") == []


def test_what_was_written_since_is_not_overwritten(stack: OwnKeys) -> None:
    first, second = stack.design.ids
    stack.store.put("things", first, {"n": 1})
    stack.dead(message("put", first, item={"n": 2}), message("put", second, item={"n": 2}))
    assert stack.redrive("intake", BOTH).tally.put_back == 2
    for one in (first, second):
        stack.store.put("things", one, {"n": 9})
    stack.ingest_all()
    assert {item["n"] for item in stack.items().values()} == {9}
    assert len(stack.s3.keys("quarantine/")) == 2


@pytest.mark.parametrize("stack", ["text", "number", "range", "match"], indirect=True)
def test_an_item_whose_id_its_fields_make_is_compared(stack: OwnKeys) -> None:
    first, second = stack.design.ids
    keys = stack.pipeline.collection("things").keys
    stack.store.put("things", first, {"n": 1})
    for number, (item_id, fields) in enumerate([(first, {"n": 1}), (first, {"n": 2}), (second, {"n": 3})]):
        body = dumps({"op": "put", "collection": "things", "item": keys.fields_of(item_id) | fields})
        stack.sqs.send_message(
            QueueUrl="intake-dead",
            MessageBody=body,
            MessageGroupId=f"{item_id} {number}",
            MessageDeduplicationId=f"{number}",
        )
    tally = stack.redrive("intake", SAFE).tally
    assert dict(tally.removed) == {gate.APPLIED: 1}
    assert dict(tally.left) == {gate.DIFFERENT: 1, gate.ABSENT: 1}
    assert stack.redrive("intake", BOTH).tally.put_back == 2
    stack.ingest_all()
    assert {name: item["n"] for name, item in stack.items().items()} == {first: 2, second: 3}


def test_a_key_that_no_item_can_have_goes_back_to_be_quarantined(stack: OwnKeys) -> None:
    impossible = "x" * 3000
    stack.dead(message("put", impossible, item={"n": 1}), {**message("put", "1", item={"n": 1}), "collection": "other"})
    assert stack.redrive("intake", BOTH).tally.put_back == 2
    stack.ingest_all()
    assert len(stack.s3.keys("quarantine/")) == 2


def test_a_file_is_compared_with_the_items(stack: OwnKeys) -> None:
    first, second = stack.design.ids
    loaded: list[Any] = []
    stack.functions.functions["s-load"] = loaded.append
    stack.store.put("things", first, {"n": 1})

    def upload(*lines: Item) -> None:
        body = "\n".join(map(dumps, lines)).encode()
        stack.s3.put_object(Bucket="the-archive", Key="inbox/things/a.jsonl", Body=body)

    upload({"id": first, "n": 1}, {"id": second, "n": 1})
    stack.notify("load", "inbox/things/a.jsonl", "2")
    assert dict(stack.redrive("async", SAFE).tally.left) == {f"{files.LINES} {gate.ABSENT}": 1}
    upload({"id": first, "n": 2})
    assert dict(stack.redrive("async", SAFE).tally.left) == {f"{files.LINES} {gate.DIFFERENT}": 1}
    upload({"id": first, "n": 1})
    assert stack.redrive("async", SAFE).tally.put_back == 1
    assert len(loaded) == 1


def refuse(stack: OwnKeys, *ids: str) -> None:
    """Let the stream bring items that the transform refuses."""

    def fail(_item: Item) -> Item:
        raise KeyError("gate")

    stack.define(fail)
    for number, item_id in enumerate(ids, 1):
        change = record(number, "things", (item_id, None, whole(stack, item_id, {"n": 2})), pipeline=stack.pipeline)
        new = change["dynamodb"]["NewImage"]
        stack.database.put_item(TableName="items", Item=new)
        stack.functions.functions["s-fanout"](json.loads(json.dumps(stack_event(change), default=encoded)))
    stack.define()


def stack_event(change: Any) -> dict[str, Any]:
    return {"Records": [change], "shardId": "shardId-1", "eventSourceARN": change["eventSourceARN"]}


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_items_of_the_stream_go_to_archive_and_routes(stack: OwnKeys) -> None:
    first, second = stack.design.ids
    refuse(stack, first, second)
    assert len(stack.s3.keys("quarantine/")) == 2
    stack.store.put("things", second, {"n": 4})
    tally = stack.redrive("quarantine", SAFE).tally
    assert tally.put_back == 1
    assert [event["subject"] for event in stack.archived()] == [first]
    assert [event["data"]["new"] for event in stack.routed()] == [whole(stack, first, {"n": 2})]
    assert [reason.partition(" (")[0] for reason in tally.left] == ["describe items that were changed or deleted since"]


def test_refused_messages_are_compared_and_sent(stack: OwnKeys) -> None:
    first, second = stack.design.ids
    stack.dead(message("put", first, item={"n": 1}), message("put", second, item={"m": 1}))
    stack.sqs.queues["intake"].messages, stack.sqs.queues["intake-dead"].messages = (
        stack.sqs.queues["intake-dead"].messages,
        [],
    )
    stack.ingest_all()
    assert list(stack.items()) == [first]
    things = Collection("things", schema={}, key=stack.design.key, match=stack.design.match)
    stack.deploy(Pipeline([things], routes=[Route("even", of=things, when=lambda _: False)]))
    assert list(stack.redrive("quarantine", SAFE).tally.left) == [gate.ABSENT]
    assert stack.redrive("quarantine", BOTH).tally.put_back == 1
    stack.ingest_all()
    assert stack.items()[second] == whole(stack, second, {"m": 1})


@pytest.mark.parametrize("stack", [name for name in DESIGNS if name != "plain"], indirect=True)
def test_a_row_that_no_collection_matched_goes_back_when_one_does(stack: OwnKeys) -> None:
    first = next(iter(stack.design.ids))
    others = Collection("others", schema={}, key=stack.design.key, match={"entity": "Other"})
    change = record(1, "things", (first, None, whole(stack, first, {"n": 2})), pipeline=stack.pipeline)
    stack.deploy(Pipeline([others], routes=[Route("even", of=others, when=bool)], strict=True))
    stack.database.put_item(TableName="items", Item=change["dynamodb"]["NewImage"])
    stack.functions.functions["s-fanout"](json.loads(json.dumps(stack_event(change), default=encoded)))
    assert list(stack.redrive("quarantine", SAFE).tally.left) == ["are still refused"]
    stack.define()
    assert stack.redrive("quarantine", SAFE).tally.put_back == 1
    assert [event["subject"] for event in stack.archived()] == [first]
    assert stack.s3.keys("quarantine/") == []


def test_without_the_definition_the_reason_is_told(stack: OwnKeys) -> None:
    client: Any = stack.database
    table = ItemTable(client, "items", lambda: "there is no module 'shop'")
    if stack.design.key is None:
        stack.store.put("things", "a", {"n": 1})
        assert table.read([("things", "a")])["things", "a"] is not None
        return
    with pytest.raises(CommandError, match="only the definition can make: there is no module 'shop'"):
        table.read([("things", "a")])


@pytest.mark.parametrize("stack", ["match", "plain"], indirect=True)
def test_another_item_with_the_same_key_is_not_taken_for_this_one(stack: OwnKeys) -> None:
    first = next(iter(stack.design.ids))
    refuse(stack, first)
    row = stack.pipeline.collection("things").keys.row(first, {"n": 2, "entity": "Thing"}) | {"entity": "Other"}
    stack.database.put_item(TableName="items", Item=encode_item(row))
    stack.dead(message("put", first, item={"n": 2}))
    assert list(stack.redrive("intake", SAFE).tally.left) == [gate.ABSENT]
    assert stack.redrive("quarantine", SAFE).tally.put_back == 0
