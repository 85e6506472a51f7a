"""Roles and policies on the emulator, as AWS enforces them; imported only in the emulator's environment.

The emulator runs each function with its role's credentials and evaluates the policies itself (`AUTH=true`). What it
lacks is added here: calls count as encrypted, or the policies that demand TLS would deny every one of them; and
requests to DynamoDB carry `dynamodb:LeadingKeys`, the partition keys that they name. Each decision about a role is
written to a file. Batches of messages need the permission of a single one, readers of a stream that for the stream, and
PartiQL statements that of their verb.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local.emulation.state import Application

PARTITION_KEYS = ("pk", "id")
_EQUALS = re.compile(r"([#\w]+)\s*=\s*(:\w+)")
_STATEMENT = re.compile(r"^\s*(UPDATE|INSERT|DELETE|SELECT)\b[^\"]*\"([^\"]+)\"", re.IGNORECASE)
_TLS = (b"x-forwarded-proto", b"https")


def enforce_policies(application: Application, decisions: Path) -> Application:
    """Wrap the emulator: enforce what it leaves out, and append each decision about a role to the file."""
    iam_actions.dynamodb_service_context = with_leading_keys(iam_actions.dynamodb_service_context)
    iam_actions.extract_resource_arn = with_streams(iam_actions.extract_resource_arn)
    iam_actions.extract_iam_action = with_partiql(iam_actions.extract_iam_action)
    iam_evaluator.enforce = recorded(iam_evaluator.enforce, decisions)

    async def over_tls(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], _TLS]}
        await application(scope, receive, send)

    return over_tls


def with_leading_keys(context_of: Callable[[bytes], dict[str, Any]]) -> Callable[[bytes], dict[str, Any]]:
    """Return a function that adds the partition keys that a request names to its context."""

    def context(body: bytes) -> dict[str, Any]:
        found = context_of(body)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return found
        keys = sorted({value for key in _keys(request) for value in key}) if isinstance(request, dict) else []
        return {**found, "dynamodb:LeadingKeys": keys} if keys else found

    return context


def _keys(request: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the partition keys of a request: of its key, item or condition, and of each part of a batch."""
    for image in (request.get("Key"), request.get("Item")):
        yield _partition(image or {})
    names = request.get("ExpressionAttributeNames", {})
    for name, placeholder in _EQUALS.findall(request.get("KeyConditionExpression", "")):
        if names.get(name, name) in PARTITION_KEYS:
            yield [next(iter(request["ExpressionAttributeValues"][placeholder].values()))]
    for action in request.get("TransactItems", []):
        for part in action.values():
            yield _partition(part.get("Key") or part.get("Item") or {})
    for part in request.get("RequestItems", {}).values():
        if isinstance(part, dict):
            yield from map(_partition, part.get("Keys", []))
        else:
            for write in part:
                (operation,) = write.values()
                yield _partition(operation.get("Item") or operation.get("Key") or {})


def _partition(image: Mapping[str, Any]) -> list[str]:
    return [next(iter(image[name].values())) for name in PARTITION_KEYS if name in image]


def with_streams(arn_of: Callable[..., str]) -> Callable[..., str]:
    """Return a function that knows the resource of a request to a stream: the stream, also by one of its iterators."""

    def resource(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> str:
        if service in ("dynamodb", "dynamodbstreams"):
            request = json.loads(body or b"{}")
            if "ShardIterator" in request:  # the emulator's form
                request = {"StreamArn": json.loads(base64.urlsafe_b64decode(request["ShardIterator"]))["arn"]}
            if "StreamArn" in request:
                return str(request["StreamArn"])
            if statements := _statements(request):
                body = json.dumps({"TableName": statements[0][1]}).encode()
        return arn_of(service, method, path, headers, body, *more)

    return resource


def with_partiql(action_of: Callable[..., str | None]) -> Callable[..., str | None]:
    """Return a function that knows the action of a PartiQL statement, or of a batch of statements of one kind."""

    def action(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> str | None:
        found = action_of(service, method, path, headers, body, *more)
        if found not in ("dynamodb:ExecuteStatement", "dynamodb:BatchExecuteStatement"):
            return found
        ((verb, _),) = set(_statements(json.loads(body)))
        return f"dynamodb:PartiQL{verb.capitalize()}"

    return action


def _statements(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the verb and the table of each PartiQL statement of a request."""
    texts = [one["Statement"] for one in (request, *request.get("Statements", [])) if "Statement" in one]
    return [(found[1], found[2]) for text in texts if (found := _STATEMENT.search(text))]


def recorded(enforce: Callable[..., Any], decisions: Path) -> Callable[..., Any]:
    """Return the function that decides, which also writes down what it decided about a role."""

    def decide(access_key: str, action: str, *about: Any, **named: Any) -> Any:
        if action.startswith("sqs:"):
            action = action.removesuffix("Batch")
        denied = enforce(access_key, action, *about, **named)
        credential = iam_evaluator.resolve_credential(access_key or "")
        principal = getattr(credential, "principal_arn", "")
        if ":assumed-role/" in principal:
            context = named.get("service_context") or {}
            entry = {
                "role": principal.split("/")[1],
                "session": principal.split("/")[2],
                "action": action,
                "resource": named.get("resource_arn", "*"),
                "keys": context.get("dynamodb:LeadingKeys", []),
                "allowed": denied is None,
            }
            with decisions.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        return denied

    return decide
