"""What fanout counts while queues and a bucket fail."""

import pytest
from botocore.stub import Stubber

from functions.fanout.app import handler
from tailrace.aws.runtime.clients import client, storing_client
from tailrace.encoding.tagged_json import loads
from tailrace.testing import event, history, record

SMALL = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": 5}
LARGE = SMALL | {"amount": 500}


@pytest.mark.usefixtures("cloud")
def test_only_what_was_sent_and_stored_is_counted_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    records = history("orders", [("1", SMALL), ("2", LARGE), ("x", {"shop": "a"})])
    request = {"replay": {"items": [record(1, "orders", ("1", None, LARGE))]}}
    with Stubber(client("sqs")) as queues, Stubber(storing_client()) as bucket:
        bucket.add_client_error("put_object", "SlowDown", http_status_code=503)
        for _ in range(20):
            queues.add_client_error("send_message_batch", "ThrottlingException", http_status_code=400)
        assert handler(event(records), None)["batchItemFailures"] != []
        assert handler(request, None)["failed"] == [0]
    counted = [loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    names = {"ChangesSent", "ChangesRouted", "ItemsQuarantined", "ItemsReplayed", "ChangesFailed"}
    # the second change fails on its way to the archive and on its way to a route
    assert [{name: one[name] for name in names & one.keys()} for one in counted] == [{"ChangesFailed": [3]}]
