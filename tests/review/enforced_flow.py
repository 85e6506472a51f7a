"""The whole flow on a stack that enforces policies: every entrance, every stage, and what is refused."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.stack import Stack
from tailrace.encoding.dynamodb import encode_item
from tests.api_client import request
from tests.openapi.conformance import FLIGHT

SETTLED_S = 90
DELAYED = FLIGHT | {"status": "cancelled"}


def put_directly(stack: Stack, name: str, item: Mapping[str, Any]) -> None:
    row = encode_item({"pk": f"flights#{name}", **item})
    stack.client("dynamodb").put_item(TableName=stack.outputs["ItemsTable"], Item=row)


def ask(stack: Stack, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """Have the api function answer a request."""
    event = json.dumps(request(method, path, body, **more))
    answer = stack.client("lambda").invoke(FunctionName=stack.resources["ApiFunction"], Payload=event)
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def use_api(stack: Stack) -> None:
    """Write, read, refuse, repeat, ask for health."""
    item = "/collections/flights/items/asked"
    once = {"headers": {"content-type": "application/json", "idempotency-key": "once"}}
    answers = [
        ask(stack, "PUT", item, FLIGHT),
        ask(stack, "PATCH", item, {"distance": 7}),
        ask(stack, "PUT", f"{item}-again", FLIGHT, **once),
        ask(stack, "PUT", f"{item}-again", FLIGHT, **once),
        ask(stack, "GET", item),
        ask(stack, "POST", "/collections/flights/items", {"items": [{"id": "of-many", "item": FLIGHT}]}),
        ask(stack, "GET", "/aggregates"),
        ask(stack, "GET", "/aggregates/origin_days/rows", query="origin=EWR"),
        ask(stack, "GET", "/aggregates/origin_days/groups"),
        ask(stack, "GET", "/health"),
        ask(stack, "DELETE", item),
    ]
    assert [answer["body"] for answer in answers if answer["statusCode"] >= 300] == []
    refused = ask(
        stack, "PUT", f"{item}-later", {"carrier": 1}, headers=once["headers"] | {"idempotency-key": "refused"}
    )
    assert refused["statusCode"] == 422


def use_intake(stack: Stack) -> None:
    """Every operation, and a message that is refused."""
    bodies: list[dict[str, Any]] = [
        {"op": "put", "collection": "flights", "id": "sent", "item": FLIGHT},
        {"op": "patch", "collection": "flights", "id": "sent", "patch": {"distance": 9}},
        {"op": "put", "collection": "flights", "id": "dropped", "item": FLIGHT},
        {"op": "delete", "collection": "flights", "id": "dropped"},
        {"op": "put", "collection": "flights", "id": "bad", "item": {"carrier": 1}},
    ]
    for number, body in enumerate(bodies):
        stack.client("sqs").send_message(
            QueueUrl=stack.outputs["IntakeQueue"],
            MessageBody=json.dumps(body),
            MessageGroupId=f"flights#{body['id']}",
            MessageDeduplicationId=f"{number}",
        )


def use_inbox(stack: Stack) -> None:
    """A file with a bad line, and one that is refused."""
    good = [json.dumps(FLIGHT | {"id": f"line-{number}"}) for number in range(30)]
    for key, text in (("flights/some.jsonl", "\n".join([*good, "{}"])), ("nothing/some.jsonl", "{}")):
        stack.client("s3").put_object(Bucket=stack.outputs["ArchiveBucket"], Key=f"inbox/{key}", Body=text.encode())


def eventually(look: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SETTLED_S
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def objects(stack: Stack, bucket: str, prefix: str) -> int:
    return int(stack.client("s3").list_objects_v2(Bucket=stack.outputs[bucket], Prefix=prefix)["KeyCount"])
