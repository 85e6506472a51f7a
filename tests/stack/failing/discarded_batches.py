"""The batches that the stream's readers have given up."""

from typing import Any

from tests.stack.failing.conftest import Failing


def batches(failing: Failing) -> dict[str, Any]:
    """Return the discarded batches, whose number the alarm on PutRequests watches."""
    return failing.objects("FailuresBucket", "aws/lambda/")


def holding(failing: Failing, item: str) -> dict[str, Any] | None:
    """Return the discarded batch that holds a change of an item."""
    return next((one for one in batches(failing).values() if f'"flights#{item}"' in one["payload"]), None)
