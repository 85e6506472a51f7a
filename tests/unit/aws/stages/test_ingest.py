"""ingest: messages become items, in order for each item; a bad one holds up nobody."""

import json
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.ingest.app import handler
from tailrace.aws.items.rows import StoredItem
from tailrace.aws.runtime.clients import client, storing_client
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Permanent
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.intake_messages import DONE, batch, delete, patch, put

ORDER = {"shop": "a#~", "placed": "2024-10-27T00:30:00Z", "amount": 12.50}
DEEP = "[" * 100_000 + "]" * 100_000


def test_operations_on_one_item_are_taken_in_order(cloud: Cloud) -> None:
    change = {"paid": True, "amount": None, "notes": {"a": 1}}
    messages = [put("1", ORDER), patch("1", change), patch("1", {"notes": {"a": None, "b": "x"}})]
    assert handler(batch(*messages, put("2", ORDER), delete("2")), None) == DONE
    expected = {"shop": "a#~", "placed": ORDER["placed"], "paid": True, "notes": {"b": "x"}}
    assert cloud.items() == {"orders#1": expected}


def test_an_expiry_is_kept_through_patches(cloud: Cloud) -> None:
    handler(batch(put("1", ORDER, expires_at=1_900_000_000), patch("1", {"paid": False})), None)
    assert cloud.items()["orders#1"]["expires_at"] == 1_900_000_000


def tag(item: Any) -> str:
    return StoredItem(loads(json.dumps(item))).etag


def test_a_conditional_message_is_applied_only_to_the_item_that_it_names(cloud: Cloud) -> None:
    later = ORDER | {"paid": True}
    assert handler(batch(put("1", ORDER, if_absent=True), put("1", later, if_match=tag(ORDER))), None) == DONE
    assert cloud.items()["orders#1"]["paid"] is True
    outdated = [put("1", ORDER, if_absent=True), put("1", ORDER | {"amount": 1}, if_match=tag(ORDER))]
    outdated += [patch("1", {"paid": False}) | {"if_match": tag(ORDER)}, delete("1") | {"if_match": tag(ORDER)}]
    assert handler(batch(*outdated), None) == DONE
    assert cloud.items()["orders#1"]["paid"] is True
    assert [report["violations"][0]["keyword"] for report in cloud.quarantine()] == ["precondition"] * 4


def test_a_condition_may_name_several_states_of_the_item(cloud: Cloud) -> None:
    states = {"if_match": f"{tag({'shop': 'x'})}, {tag(ORDER)}", "if_absent": True}
    handler(batch(put("1", ORDER, **states), put("1", ORDER | {"paid": True}, **states)), None)
    assert cloud.items()["orders#1"]["paid"] is True
    handler(batch(put("1", ORDER, **states), delete("1") | states, delete("2") | states), None)
    assert set(cloud.items()) == {"orders#1"}
    assert len(cloud.quarantine()) == 2


@pytest.mark.parametrize(
    "message",
    [
        put("1", ORDER | {"paid": True}, if_match=tag(ORDER)),
        patch("1", {"paid": True}) | {"if_match": tag(ORDER)},
        delete("1") | {"if_match": tag(ORDER)},
        put("2", ORDER, if_absent=True),
    ],
)
def test_a_conditional_message_that_arrives_twice_has_one_effect_and_no_report(
    cloud: Cloud, message: dict[str, Any]
) -> None:
    handler(batch(put("1", ORDER), message), None)
    items = cloud.items()
    assert handler(batch(message), None) == DONE
    assert cloud.items() == items
    assert cloud.quarantine() == []


BAD: dict[str, Any] = {
    "a precondition that is no text": put("x", ORDER, if_match=1),
    "a precondition that is no tag": put("x", ORDER, if_match="x"),
    "a precondition that is no truth value": put("x", ORDER, if_absent=1),
    "a precondition that is null": put("x", ORDER, if_match=None),
    "no JSON": "{",
    "NaN": '{"op": "put", "collection": "orders", "id": "x", "item": {"amount": NaN}}',
    "deep nesting": f'{{"op": "put", "collection": "orders", "id": "x", "item": {{"notes": {DEEP}}}}}',
    "half a character": '{"op": "put", "collection": "orders", "id": "x", "item": {"shop": "\\ud800"}}',
    "no object": [1],
    "an op that is a list": {"op": [], "collection": "orders", "id": "x"},
    "an op that is an object": {"op": {"put": 1}, "collection": "orders", "id": "x"},
    "an unknown op": {"op": "upsert", "collection": "orders", "id": "x"},
    "no id": {"op": "delete", "collection": "orders"},
    "an id that is a number": delete("x") | {"id": 7},
    "an empty id": delete(""),
    "an unknown collection": delete("x") | {"collection": "planes"},
    "a collection with a separator": delete("x") | {"collection": "orders#1"},
    "an unknown member": delete("x") | {"item": {}},
    "no item": {"op": "put", "collection": "orders", "id": "x"},
    "a missing field": put("x", {"shop": "a"}),
    "a wrong type": put("x", ORDER | {"amount": "12"}),
    "a broken transform": put("x", ORDER | {"lines": 13}),
    "300 KB of text": put("x", ORDER | {"shop": "s" * 300_000}),
    "more than a table holds": put("x", ORDER | {"notes": {"n": "s" * 450_000}}),
    "half a character in an id, not escaped": '{"op": "delete", "collection": "orders", "id": "\ud800"}',
    "half a character in a name, not escaped": '{"op":"patch","collection":"orders","id":"1","patch":{"\ud800":1}}',
    "a collection that is no text": delete("x") | {"collection": ["orders"]},
    "a patch that is no object": patch("1", [1]),
    "a deep patch": '{"op":"patch","collection":"orders","id":"1","patch":{"notes":' + '{"a":' * 900 + "1" + "}" * 902,
    "a set of two kinds": put("x", ORDER | {"notes": {"s": {"~set": [1, "a"]}}}),
    "a set of truth values": put("x", ORDER | {"notes": {"s": {"~set": [True]}}}),
    "39 digits in a set": put("x", ORDER | {"notes": {"s": {"~set": [int("1" * 39)]}}}),
    "an empty name": put("x", ORDER | {"notes": {"": 1}}),
    "binary that is no base64": put("x", ORDER | {"notes": {"b": {"~bytes": "%"}}}),
    "an id that no key can hold": delete("é" * 1024),
    "39 digits": put("x", ORDER | {"amount": int("1" * 39)}),
    "33 levels": put("x", ORDER | {"notes": json.loads('{"a":' * 33 + "1" + "}" * 33)}),
    "a key of another row": put("x", ORDER | {"pk": "orders#2"}),
    "an expiry that is no time": put("x", ORDER, expires_at="soon"),
    "a patch of nothing": patch("x", {"paid": True}),
    "a name twice": '{"op":"put","collection":"orders","id":"x","item":{"shop":"a","placed":"b","vat":1,"vat":2}}',
    "a name twice, deep": '{"op":"patch","collection":"orders","id":"1","patch":{"notes":{"a":[{"vat":1,"vat":2}]}}}',
    "a member twice": '{"op":"delete","vat":1,"collection":"orders","id":"1","vat":1}',
    "a patch that breaks the item": patch("1", {"placed": None, "#": "~"}),
}


@pytest.mark.parametrize("bad", BAD, ids=lambda name: name.replace(" ", "-"))
def test_a_bad_message_is_quarantined_once_and_its_neighbours_arrive(cloud: Cloud, bad: str) -> None:
    messages = batch(put("1", ORDER), BAD[bad], put("2", ORDER))
    assert handler(messages, None) == DONE
    assert handler(messages, None) == DONE
    assert set(cloud.items()) == {"orders#1", "orders#2"}
    (report,) = cloud.quarantine()
    assert report["entrance"] == "queue"
    assert report["origin"] == {"message": "m1"}
    assert report["violations"]
    assert report["item"]


@pytest.mark.parametrize("bad", ["a name twice", "a name twice, deep", "a member twice"])
def test_a_message_with_a_name_twice_is_refused_with_the_name(cloud: Cloud, bad: str) -> None:
    handler(batch(BAD[bad]), None)
    (report,) = cloud.quarantine()
    assert [v["message"] for v in report["violations"]] == ['the name "vat" occurs more than once in an object']


def test_a_byte_order_mark_before_a_message_is_skipped(cloud: Cloud) -> None:
    assert handler(batch("\ufeff" + json.dumps(put("1", ORDER))), None) == DONE
    assert set(cloud.items()) == {"orders#1"}


def test_every_violation_of_a_message_is_reported(cloud: Cloud) -> None:
    handler(batch(put("1", {"shop": "", "lines": -1, "x#~/": 1})), None)
    (report,) = cloud.quarantine()
    found = {(v["pointer"], v["keyword"]) for v in report["violations"]}
    assert found == {("", "required"), ("", "additionalProperties"), ("/shop", "minLength"), ("/lines", "minimum")}


def test_a_table_that_is_busy_holds_up_the_group_and_no_other(cloud: Cloud) -> None:
    event = batch(put("1", ORDER), put("1", ORDER | {"paid": True}))
    event["Records"] += batch(put("2", ORDER), group="other")["Records"]
    event["Records"][2]["messageId"] = "m2"
    table = client("dynamodb")
    with Stubber(table) as stub:
        stub.add_client_error("put_item", "ProvisionedThroughputExceededException", http_status_code=400)
        stub.add_response("put_item", {})
        answer = handler(event, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]}
    assert cloud.quarantine() == []


def test_what_is_not_begun_in_time_comes_again_and_nothing_else(cloud: Cloud) -> None:
    """A table that does not respond takes 27 seconds of a message, and whoever is killed meanwhile repeats them all."""

    class Context:
        left_ms = 75_000

        def get_remaining_time_in_millis(self) -> int:
            self.left_ms -= 10_000
            return self.left_ms

    event = batch(put("1", ORDER), put("2", ORDER), put("3", ORDER), put("4", ORDER))
    answer = handler(event, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]}
    assert set(cloud.items()) == {"orders#1", "orders#2"}


SLOW: dict[str, tuple[dict[str, Any], str]] = {
    "a conditional put": (put("2", ORDER | {"paid": True}, if_match=tag(ORDER)), "GetItem"),
    "a conditional deletion": (delete("2") | {"if_match": tag(ORDER)}, "GetItem"),
    "a patch": (patch("2", {"paid": True}), "GetItem"),
    "a put of a new item that exists": (put("2", ORDER | {"paid": True}, if_absent=True), "PutItem"),
    "a patch of nothing, which goes to quarantine": (patch("4", {"paid": True}), "GetItem"),
}


@pytest.mark.parametrize("slow", SLOW, ids=lambda name: name.replace(" ", "-"))
def test_a_message_of_several_calls_begins_none_for_which_there_is_no_time(cloud: Cloud, slow: str) -> None:
    """Of an invocation that is killed, the messages before it come again: they overwrite what others wrote since."""
    message, operation = SLOW[slow]
    left_ms, calls = [60_000], list[str]()

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return left_ms[0]

    def call(model: Any, **_others: Any) -> None:
        calls.append(model.name)
        if model.name == operation:
            left_ms[0] -= 26_000  # the table responds at the last attempt

    handler(batch(put("2", ORDER)), None)
    event = batch(put("1", ORDER), message, put("3", ORDER))
    if operation == "PutItem":
        event["Records"].pop(0)
    tables = ("before-call.dynamodb", "before-call.s3")
    services = (client("dynamodb"), storing_client())
    for name, service in zip(tables, services, strict=True):
        service.meta.events.register(name, call)
    left_ms[0] = 55_000
    try:
        answer = handler(event, Context())
    finally:
        for name, service in zip(tables, services, strict=True):
            service.meta.events.unregister(name, call)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["m1", "m2"]
    assert calls[-1] == operation
    assert cloud.items()["orders#2"] == ORDER
    assert cloud.quarantine() == []


def test_a_bucket_that_does_not_respond_takes_less_than_an_invocation() -> None:
    config: Any = storing_client().meta.config
    assert config.retries["total_max_attempts"] * config.read_timeout + 1 + 2 + 4 < 30


def test_a_quarantine_that_is_busy_holds_up_the_group(cloud: Cloud) -> None:
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "SlowDown", http_status_code=503)
        answer = handler(batch("{", put("1", ORDER)), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]}
    assert cloud.items() == {}


def test_an_item_that_others_never_leave_alone_comes_again(cloud: Cloud) -> None:
    handler(batch(put("1", ORDER)), None)
    found = {"Item": encode_item(ORDER | {"pk": "orders#1", "amount": 1})}
    with Stubber(client("dynamodb")) as stub:
        for _ in range(5):
            stub.add_response("get_item", found)
            stub.add_client_error("update_item", "ConditionalCheckFailedException")
        answer = handler(batch(patch("1", {"paid": True})), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert cloud.quarantine() == []


def test_strange_characters_arrive_as_they_were(cloud: Cloud) -> None:
    strange = "#~%/\\\"'\u0000\u2028\uffff\u00e9\U0001f600 ~0~1"
    order = ORDER | {"shop": strange, "notes": {strange: [strange, {strange: strange}]}}
    assert handler(batch(put(strange, order), patch(strange, {"tags": [strange]})), None) == DONE
    assert cloud.items() == {f"orders#{strange}": order | {"tags": [strange], "amount": Decimal("12.5")}}


def test_no_metrics_namespace_is_no_failure(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE")
    assert handler(batch(put("1", ORDER)), None) == DONE


def test_a_table_that_refuses_is_never_passed_over_in_silence(cloud: Cloud) -> None:
    cloud.dynamodb.delete_table(TableName="items")
    with pytest.raises(Permanent, match="ResourceNotFoundException"):
        handler(batch(put("1", ORDER)), None)
    assert cloud.quarantine() == []


def test_a_message_that_is_refused_access_holds_up_its_group_and_no_other(cloud: Cloud) -> None:
    """Applied again, the other messages would overwrite what others have written since."""
    event = batch(put("1", ORDER), "{", put("2", ORDER), put("3", ORDER))
    for record, group in zip(event["Records"], ["a", "b", "b", "c"], strict=True):
        record["attributes"]["MessageGroupId"] = group
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "AccessDenied", http_status_code=403)
        answer = handler(event, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}
    assert set(cloud.items()) == {"orders#1", "orders#3"}


def test_a_batch_of_which_nothing_gets_through_is_an_error_of_the_function(cloud: Cloud) -> None:
    with Stubber(storing_client()) as stub:
        stub.add_client_error("put_object", "AccessDenied", http_status_code=403)
        with pytest.raises(Permanent, match="AccessDenied"):
            handler(batch("{", put("1", ORDER)), None)
    assert cloud.items() == {}
