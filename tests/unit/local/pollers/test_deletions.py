"""What was processed is deleted from the queue, also if that fails at first."""

import time
from typing import Any, cast

import pytest

from local.deployment.mappings import EventSourceMapping
from local.pollers.emulator_client import CallFailed, EmulatorClient, InvokeResult
from local.pollers.queue import QueuePoller

ARN = "arn:aws:sqs:us-east-1:000000000000:intake"


class Queue:
    """A queue whose first deletions fail: as a whole, or for some messages."""

    def __init__(self, *failures: Any) -> None:
        self.messages = {f"receipt-{number}": number for number in range(3)}
        self.failures = list(failures)

    def call(self, _service: str, action: str, **request: Any) -> dict[str, Any]:
        if action == "ReceiveMessage":
            return {"Messages": [self._message(receipt) for receipt in self.messages]}
        failure = self.failures.pop(0) if self.failures else ()
        if isinstance(failure, Exception):
            raise failure
        failed = [entry["Id"] for entry in request["Entries"] if entry["Id"] in failure]
        for entry in request["Entries"]:
            if entry["Id"] not in failed:
                self.messages.pop(entry["ReceiptHandle"], None)
        return {"Failed": [{"Id": name, "Code": "InternalError", "SenderFault": False} for name in failed]}

    def invoke(self, *_arguments: Any) -> InvokeResult:
        return InvokeResult(b'{"batchItemFailures": []}', None, throttled=False, request_id="r")

    def _message(self, receipt: str) -> dict[str, Any]:
        return {"MessageId": receipt, "ReceiptHandle": receipt, "Body": "{}", "MD5OfBody": "", "Attributes": {}}


@pytest.mark.parametrize("failure", [CallFailed("InternalFailure", "not now"), ("0", "2")])
def test_a_message_that_could_not_be_deleted_is_deleted_later(failure: Any) -> None:
    queue = Queue(failure)
    mapping = EventSourceMapping("Intake", "uuid", "ingest", "arn", ARN, 60, {"BatchSize": 10})
    attributes = {"VisibilityTimeout": "360"}
    poller = QueuePoller(mapping, cast("EmulatorClient", queue), url="url", attributes=attributes)
    assert poller.poll()
    ((call, _),) = poller.due_invocations(time.time())
    poller.handle_result(call, poller._invoke_or_throttle(b""), time.time())
    assert queue.messages
    assert "could not delete" in str(poller.statistics.last_error)
    poller.poll()
    assert not queue.messages
