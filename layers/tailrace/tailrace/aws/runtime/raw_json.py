"""Sends and receives DynamoDB's JSON directly, bypassing the SDK's serializer and parser.

These look up the shape of each attribute, which takes a third of the time of writing rows and most of the time of
reading them. Retries, signatures, endpoints and errors remain the SDK's; only the bodies are built here, through its
public hooks.
"""

import base64
import json
from http import HTTPStatus
from typing import Any

import msgspec
from botocore.client import BaseClient

_RAW_REQUESTS = ("UpdateItem", "BatchExecuteStatement", "BatchWriteItem")
_RAW_RESPONSES = ("Query", "BatchExecuteStatement")

_BODY_KEY = "tailrace-body"
"""The key of the body in a request's context; no part of the SDK uses it."""


def skip_serializer(client: BaseClient) -> None:
    """Let a DynamoDB client (without parameter validation) send and receive large bodies unserialized."""
    events: Any = client.meta.events  # its type does not declare that the return values of hooks are used
    for operation in _RAW_REQUESTS:
        events.register(f"provide-client-params.dynamodb.{operation}", _serialize)
        events.register(f"before-call.dynamodb.{operation}", _attach_body)
    for operation in _RAW_RESPONSES:
        events.register(f"before-parse.dynamodb.{operation}", _parse_response)


def _serialize(params: dict[str, Any], context: dict[str, Any], **_others: Any) -> dict[str, Any]:
    """Write the body of a request that is already in DynamoDB's JSON; the SDK's serializer gets empty parameters."""
    context[_BODY_KEY] = _body(params)
    # the endpoint may depend on which parameters exist, and on the table's name
    return {name: value if isinstance(value, str) else type(value)() for name, value in params.items()}


def _attach_body(params: dict[str, Any], context: dict[str, Any], **_others: Any) -> None:
    """Replace the serializer's empty body with the one written before; the SDK signs and sends it."""
    params["body"] = context[_BODY_KEY]


def _parse_response(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_others: Any) -> None:
    """Parse the rows of a query, or the results of statements.

    Only binary values differ from the SDK's: they stay base64, which :func:`tailrace.encoding.dynamodb.decode_item`
    reads as well.
    """
    if response_dict["status_code"] < HTTPStatus.MULTIPLE_CHOICES:
        customized_response_dict.update(msgspec.json.decode(response_dict["body"]))
        response_dict["body"] = b"{}"


def _body(params: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(params)  # binary values become base64
    except UnicodeEncodeError:  # a lone surrogate: it is the table that rejects it
        return json.dumps(params, separators=(",", ":"), default=_base64).encode()


def _base64(binary: bytes) -> str:
    return base64.b64encode(binary).decode("ascii")
