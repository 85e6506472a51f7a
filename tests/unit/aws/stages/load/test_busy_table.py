"""load: of a table or bucket that is too busy to take the lines in time, the file is passed on, and nothing is lost."""

import gzip
from typing import Any

import pytest

from functions.load.app import handler
from tailrace.aws.runtime.clients import client
from tailrace.errors import Transient
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.load.uploads import GOOD, Context, lines, upload

ALL: list[dict[str, Any]] = [GOOD | {"id": str(number)} for number in range(1_200)]
CALL_MS = 60_000
SOME_BAD = [item | {"shop": 1} if int(item["id"]) % 7 == 0 else item for item in ALL]


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    events: list[Any] = []
    monkeypatch.setattr("functions.load.app.invoke_later", lambda _client, _name, event: events.append(event))
    return events


class Busy:
    """Calls that take some time, from a number of them on."""

    def __init__(self, context: Context, operation: str, after: int, takes_ms: int) -> None:
        self.context, self.after, self.takes_ms, self.operation = context, after, takes_ms, operation
        self.service: Any = client("s3" if operation == "PutObject" else "dynamodb")
        self.calls = 0

    def __enter__(self) -> None:
        self.service.meta.events.register(f"before-call.*.{self.operation}", self)

    def __exit__(self, *_error: object) -> None:
        self.service.meta.events.unregister(f"before-call.*.{self.operation}", self)

    def __call__(self, params: Any, **_others: Any) -> None:
        if self.operation == "PutObject" and "quarantine" not in params["url_path"]:
            return
        self.calls += 1
        if self.calls > self.after:
            self.context.left_ms -= self.takes_ms


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("operation", "after"), [("BatchWriteItem", 25), ("PutObject", 75)])
def test_a_file_is_passed_on_before_the_invocation_is_killed(
    cloud: Cloud, handed_on: list[Any], operation: str, after: int, zipped: bool
) -> None:
    body, context = lines(*SOME_BAD), Context()
    event = upload(cloud, "inbox/orders/x.jsonl" + ".gz" * zipped, gzip.compress(body) if zipped else body)
    with Busy(context, operation, after, CALL_MS):
        context.left_ms = 150_000
        assert handler(event, context) == []
    assert context.left_ms > -8 * CALL_MS  # that the eight calls of this moment take, one after the other here
    assert len(cloud.items()) < len(ALL)
    (receipt,) = handler(handed_on[0], Context())
    bad = sum(item["shop"] == 1 for item in SOME_BAD)
    assert (receipt["accepted"], receipt["rejected"]) == (len(ALL) - bad, bad)
    assert len(cloud.items()) == len(ALL) - bad
    assert len(cloud.quarantine()) == bad


@pytest.mark.parametrize("ending", [b"", b"{]\n", b"\x1f\x8b broken"])
def test_a_file_that_gets_nowhere_is_an_error_and_no_receipt(cloud: Cloud, handed_on: list[Any], ending: bytes) -> None:
    context = Context(90_000)
    event = upload(cloud, "inbox/orders/x.jsonl.gz", gzip.compress(lines(*ALL[:300])) + ending)
    with Busy(context, "BatchWriteItem", 0, 20_000), pytest.raises(Transient, match="too busy for the lines after 0"):
        handler(event, context)
    assert handed_on == []
    assert cloud.objects("the-archive", "receipts/") == {}
    (receipt,) = handler(event, Context())
    assert receipt["accepted"] == len(cloud.items()) == 300
