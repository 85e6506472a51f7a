"""Mappings on the emulator: those of streams and queues are served by the local pollers alone.

The emulator would serve one that is enabled from the moment when CloudFormation makes or changes it, until the
deployment is over and disables it: from the stream's first record on, which the pollers deliver, too.
"""

from typing import Any

type Json = dict[str, Any]


def leave_mappings(functions: Json) -> None:
    """Let the emulator's module with these names poll neither queues nor streams of DynamoDB."""
    functions["_poll_sqs"] = functions["_poll_dynamodb_streams"] = _nothing


def _nothing() -> bool:
    """Return that nothing was found."""
    return False
