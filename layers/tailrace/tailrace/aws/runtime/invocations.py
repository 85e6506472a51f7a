"""Invokes a function later: Lambda keeps the event, and tries again if the function fails."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def invoke_later(client: "LambdaClient", function: str, event: Mapping[str, Any]) -> None:
    """Have Lambda invoke a function with an event, without waiting for it.

    Raises:
        Transient: Lambda does not accept the event now.
        Permanent: Lambda refuses it.
    """
    with map_aws_errors():
        client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
