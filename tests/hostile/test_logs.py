"""Whatever fails, no log shows the content of an item, its id, or a key made of it."""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from functions.archive.app import handler as archive
from functions.ingest.app import handler
from local.in_memory.errors import client_error
from tailrace.encoding.keys import group_list_key, key_owner, row_key, value_rows_key
from tests.hostile.corpus import SECRET
from tests.hostile.entrances import Entrances

ITEM = {"k": SECRET, "v": SECRET, "n": 1, "t": 1_700_000_000, SECRET: [SECRET]}


def put(item: dict[str, Any] = ITEM) -> str:
    return json.dumps({"op": "put", "collection": "things", "id": SECRET, "item": item})


def overflow(world: Entrances) -> None:
    for item_id, amount in ((f"{SECRET}1", "9" * 38), (f"{SECRET}2", "1e-30")):
        order = f'{{"shop":"{SECRET}","placed":"2024-06-01","amount":{amount}}}'
        assert world.write("PUT", "orders", item_id, order) == 201
        world.deliver()


def unmeasurable(world: Entrances) -> None:
    world.send([put(ITEM | {"v": [SECRET], "t": SECRET, "n": SECRET})])
    world.deliver()


def overtaken(world: Entrances) -> None:
    world.send([put()])
    patched = json.dumps({"op": "patch", "collection": "things", "id": SECRET, "patch": {"v": SECRET + "x"}})
    failure = client_error("UpdateItem", "ConditionalCheckFailedException", SECRET)
    with patch.object(world.database, "update_item", side_effect=failure):
        handler({"Records": [message(patched)]}, None)


def throttled(world: Entrances) -> None:
    with patch.object(world.database, "put_item", side_effect=client_error("PutItem", "ThrottlingException", SECRET)):
        handler({"Records": [message(put())]}, None)


def refused(world: Entrances) -> None:
    world.send([put(ITEM | {"": SECRET}), SECRET, f'{{"{SECRET}":1,"{SECRET}":2}}', put(ITEM | {"pk": SECRET})])
    world.drop("things/x.csv", f"id,{SECRET},{SECRET}\n{SECRET},{SECRET},{SECRET}\n".encode())
    world.drop("things/x.jsonl", f'{SECRET}\n{{"id":"{SECRET}","":"{SECRET}"}}\n'.encode())
    world.drop("orders/x.csv", f"id,shop\n{SECRET},{SECRET}\n".encode())


def misplaced(world: Entrances) -> None:
    image = {"k": {"S": SECRET}}
    for keys in ({"pk": {"S": f"unknown#{SECRET}"}}, {"pk": {"S": SECRET}}, {SECRET: {"S": SECRET}}):
        world.deliver([world.record(keys, None, image)])


def unreadable(world: Entrances) -> None:
    data: dict[str, Any] = {"sequence": "1", "shard": None, SECRET: SECRET}
    whole = {"specversion": "1.0", "id": "1", "type": "tailrace.things.inserted", "time": "2024-06-01T00:00:00Z"}
    events: list[dict[str, Any]] = [
        {"data": data | {"sequence": SECRET}},
        {"data": data, "time": SECRET},
        {"data": data, "type": SECRET},
    ]
    events += [{"data": SECRET}, {"dataref": SECRET}, {"dataref": [SECRET]}, {"data": data, "id": [SECRET]}]
    bodies = [json.dumps([whole | one]) for one in events]
    bodies += [SECRET, f'["{SECRET}"]', f'[{{"{SECRET}":{SECRET}}}]', f'[{{"{SECRET}":1,"{SECRET}":2}}]']
    failed = archive({"Records": [message(body) for body in bodies]}, None)
    assert failed == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert f'"MessagesUnreadable":[{len(bodies)}.0]' in world.logs.getvalue()


def message(body: str) -> dict[str, Any]:
    return {"messageId": "1", "body": body, "attributes": {"MessageGroupId": "g", "SentTimestamp": "1700000000000"}}


@pytest.mark.parametrize("fail", [overflow, unmeasurable, overtaken, throttled, refused, misplaced, unreadable])
def test_no_log_shows_content(fail: Callable[[Entrances], None]) -> None:
    world = Entrances()
    with world.listening():
        fail(world)
    found = world.logs.getvalue()
    assert found
    assert SECRET not in found


def test_the_log_of_a_sum_that_overflows_names_the_aggregate_and_the_change() -> None:
    world = Entrances()
    with world.listening():
        overflow(world)
    (told, *_) = [line for line in world.logs.getvalue().splitlines() if "cannot hold the sum" in line]
    assert json.loads(told)["aggregate"] == "shops@1"
    assert json.loads(told)["sequence"] > 0


@pytest.mark.parametrize("text", ["a", "#", "~", "~a#b@2", "%", ""])
def test_the_owner_of_a_key_is_never_decided_by_an_item(text: str) -> None:
    key = row_key("shops", 3, [text, text])
    for pk in (key[0], value_rows_key(key, text), group_list_key("shops", 3)):
        assert key_owner(pk) == "shops@3"
