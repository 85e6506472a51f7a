"""load: who takes a file over waits until the other invocation cannot write any more, and only then."""

import threading
from contextlib import suppress
from typing import Any

import pytest

from local.in_memory.errors import client_error
from tailrace.aws.runtime.clients import client
from tailrace.aws.stages import checkpoints, load_clock
from tailrace.errors import Transient
from tests.unit.aws.stages.load.inbox import Inbox, Killed
from tests.unit.aws.stages.load.large_files import FILES, LINES

pytestmark = pytest.mark.usefixtures("large")

WHOLE_LEASE_S = 45.0
FILE = "orders/x.jsonl"


def test_an_invocation_waits_for_one_that_may_still_write() -> None:
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])

    def die(call: str, _key: str, done: bool) -> None:
        if call == "write" and done:
            raise Killed

    inbox.on_call = die
    with suppress(Killed):
        inbox.invoke(event)
    inbox.on_call = lambda _call, _key, _done: None
    inbox.run()
    assert sum(inbox.pauses) == WHOLE_LEASE_S


class Together:
    """An invocation that has begun to write goes on when another one waits: to its end, or to its next checkpoint."""

    def __init__(self, inbox: Inbox, event: dict[str, Any], *, to_its_end: bool = True) -> None:
        self.inbox = inbox
        self._begun, self._goes_on, self._is_there, self._ends = (threading.Event() for _ in range(4))
        inbox.on_call, inbox.on_pause = self._stop, self._go_on
        self._thread = threading.Thread(target=self._load, args=(event,))
        self._thread.start()
        assert self._begun.wait(10)
        if to_its_end:
            self._ends.set()

    def end(self) -> None:
        self._ends.set()
        self._thread.join(10)

    def _load(self, event: dict[str, Any]) -> None:
        self.inbox.invoke(event)
        self._is_there.set()

    def _stop(self, call: str, key: str, done: bool) -> None:
        if call == "write" and not done and not self._begun.is_set():
            self._begun.set()
            assert self._goes_on.wait(10)
        if key.startswith("checkpoints/") and done and self._begun.is_set() and not self._ends.is_set():
            self._is_there.set()
            assert self._ends.wait(10)

    def _go_on(self) -> None:
        self._goes_on.set()
        assert self._is_there.wait(10)
        self.inbox.on_call, self.inbox.on_pause = lambda _call, _key, _done: None, lambda: None


def test_a_notification_that_comes_twice_at_once_is_loaded_once() -> None:
    """The second one would write the items again after the wait, over what others have made of them meanwhile."""
    inbox = Inbox()
    event = inbox.upload(FILE, b'{"id":"1","shop":"a","placed":"2024-10-27"}\n')
    Together(inbox, event)
    go_on = inbox.on_pause

    def change() -> None:
        go_on()
        inbox.items["orders#1"] = {"shop": "changed"}

    inbox.on_pause = change
    assert inbox.invoke(event) == []
    assert inbox.items == {"orders#1": {"shop": "changed"}}
    assert (len(inbox.receipts), sum(inbox.pauses)) == (1, 1.0)


def test_an_invocation_leaves_the_file_to_one_that_is_alive() -> None:
    inbox = Inbox()
    event = inbox.upload(FILE, LINES)
    first = Together(inbox, event, to_its_end=False)
    assert inbox.invoke(event) == []
    assert inbox.receipts == []
    first.end()
    assert (len(inbox.receipts), sum(inbox.pauses)) == (1, 1.0)


def test_a_new_upload_waits_no_longer_than_the_earlier_one_is_loaded() -> None:
    inbox = Inbox()
    first = inbox.upload(FILE, LINES)
    Together(inbox, first)
    second = inbox.upload(FILE, LINES + b"\n")
    assert [one["sequencer"] for one in inbox.invoke(second)] == ["0002"]
    assert sum(inbox.pauses) == 1.0


def test_nobody_waits_on_the_normal_path() -> None:
    """A file that is handed on, one that is loaded, and one whose load has failed are free."""
    inbox = Inbox()
    inbox.upload(FILE, LINES)
    inbox.run(lambda: 4)
    inbox.upload(FILE, LINES)

    def fail(call: str, _key: str, done: bool) -> None:
        if call == "write" and not done:
            raise client_error("BatchWriteItem", "AccessDeniedException")

    event = inbox.events[0]
    inbox.on_call = fail
    with pytest.raises(Exception, match="AccessDenied"):
        inbox.invoke(event)
    inbox.on_call = lambda _call, _key, _done: None
    inbox.run()
    assert inbox.receipt(FILE)["sequencer"] == "0002"
    assert inbox.pauses == []


def test_who_works_for_long_between_two_checkpoints_asks_whether_the_file_is_still_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other invocation has waited, and writes now."""
    monkeypatch.setattr(load_clock, "CHECKPOINT_EVERY_MS", 1_000_000)
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])
    inbox.events.clear()
    writes: list[str] = []

    def interfere(call: str, _key: str, done: bool) -> None:
        if call != "write":
            return
        writes.append("after" if done else "before")
        if len(writes) == 5:
            inbox.flushes += 11  # seconds go by
        if len(writes) == 6:
            inbox.on_call = lambda _call, _key, _done: None
            with suppress(Transient):
                inbox.invoke(event, 2)
            inbox.on_call = interfere

    inbox.on_call = interfere
    assert inbox.invoke(event) == []
    assert len(writes) == 6


def test_a_call_ends_within_the_time_that_others_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    config: Any = client("dynamodb").meta.config
    attempts = config.retries["total_max_attempts"]
    longest_pauses_s = sum(2**attempt for attempt in range(attempts - 1))
    longest_s = attempts * (config.connect_timeout + config.read_timeout) + longest_pauses_s
    assert longest_s * 1000 <= checkpoints._CALL_MS
    assert load_clock.CHECKPOINT_EVERY_MS < checkpoints._LEASE_MS
