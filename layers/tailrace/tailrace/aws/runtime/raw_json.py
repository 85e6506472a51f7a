"""DynamoDB's JSON on the wire as it stands, where the SDK would look up the shape of each attribute on its way.

That takes a third of the time of who writes rows, and most of the time of who reads them. Retries, signatures,
endpoints and errors stay the SDK's: only the bodies are ours, by the hooks that it has for that.
"""

import base64
import json
from http import HTTPStatus
from typing import Any

from botocore.client import BaseClient

_RAW_REQUESTS = ("UpdateItem", "BatchExecuteStatement", "BatchWriteItem")
_RAW_RESPONSES = ("Query", "BatchExecuteStatement")

_BODY_KEY = "tailrace-body"
"""Where a request's context keeps what is sent: a name that no part of the SDK uses."""


def skip_serializer(client: BaseClient) -> None:
    """Have a client of DynamoDB, which does not check parameters, send and take large bodies as they stand."""
    events: Any = client.meta.events  # its type does not know that what a hook returns is taken
    for operation in _RAW_REQUESTS:
        events.register(f"provide-client-params.dynamodb.{operation}", _serialize)
        events.register(f"before-call.dynamodb.{operation}", _attach_body)
    for operation in _RAW_RESPONSES:
        events.register(f"before-parse.dynamodb.{operation}", _parse_response)


def _serialize(params: dict[str, Any], context: dict[str, Any], **_others: Any) -> dict[str, Any]:
    """Write out a request, which is in DynamoDB's JSON already, and leave an empty one to the SDK's serializer."""
    context[_BODY_KEY] = json.dumps(params, separators=(",", ":"), default=_base64).encode()
    # that each is there, and how the table is called, may decide where the request goes
    return {name: value if isinstance(value, str) else type(value)() for name, value in params.items()}


def _attach_body(params: dict[str, Any], context: dict[str, Any], **_others: Any) -> None:
    """Put what was written out where the serializer has put its nothing; it is signed and sent from there."""
    params["body"] = context[_BODY_KEY]


def _parse_response(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_others: Any) -> None:
    """Take the rows of a query, or what came of statements.

    Only binary is otherwise then: base64, which :func:`tailrace.encoding.dynamodb.decode_item` reads as well.
    """
    if response_dict["status_code"] < HTTPStatus.MULTIPLE_CHOICES:
        customized_response_dict.update(json.loads(response_dict["body"]))
        response_dict["body"] = b"{}"


def _base64(binary: bytes) -> str:
    return base64.b64encode(binary).decode("ascii")
