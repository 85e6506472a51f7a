"""load: the notification of a file comes twice, as S3 allows, and the two invocations meet at any of their calls."""

import json
from contextlib import suppress
from typing import Any

import pytest

from tests.unit.aws.stages.load.inbox import Inbox, Killed
from tests.unit.aws.stages.load.large_files import GOOD

TWICE = "".join(json.dumps(GOOD | {"id": "0", "lines": n}) + "\n" for n in (1, 2, 3)).encode()
NEWER = {"lines": 777}


class _Meeting:
    """Starts the second invocation at a call of the first one, and kills it at one of its own."""

    def __init__(self, start: int, death: int) -> None:
        self.inbox = Inbox()
        self.event = self.inbox.upload("orders/x.jsonl", TWICE)
        self.inbox.events.clear()
        self.start, self.death = start, death
        self.calls = self.inner = 0
        self.died = self.busy = False

    def __call__(self, _name: str, _key: str, _done: bool) -> None:
        if self.busy:
            self.inner += 1
            if self.inner == self.death:
                self.died = True
                raise Killed
            return
        self.calls += 1
        if self.calls == self.start:
            self.busy = True
            with suppress(Killed):
                self.inbox.invoke(self.event)
            self.busy = False

    def run(self) -> dict[str, Any]:
        """Let them meet, and write the item anew once there is a receipt; return the item after all deliveries."""
        self.inbox.on_call = self
        self.inbox.invoke(self.event)
        self.inbox.on_call = lambda _name, _key, _done: None
        loaded = bool(self.inbox.stored("archive", "receipts/"))
        if loaded:
            assert self.inbox.items["orders#0"]["lines"] == 3
            self.inbox.items["orders#0"] = NEWER
        if self.died:
            self.inbox.invoke(self.event)
        assert self.inbox.items["orders#0"]["lines"] == (777 if loaded else 3)
        # if both write the same receipt in the same second, each takes it for its own
        assert len({json.dumps(one, sort_keys=True) for one in self.inbox.receipts}) <= 1
        return self.inbox.receipt("orders/x.jsonl")


def test_a_second_invocation_that_dies_anywhere_leaves_no_earlier_line() -> None:
    deaths = 0
    for start in range(1, 30):
        for death in range(1, 30):
            meeting = _Meeting(start, death)
            assert meeting.run()["accepted"] == 3
            deaths += meeting.died
            if not meeting.died:
                break
    assert deaths > 100


@pytest.mark.parametrize("moment", ["get", "put"])
def test_an_invocation_that_begins_late_overwrites_nothing_that_came_after_the_receipt(moment: str) -> None:
    """It has looked for the receipt before the other one wrote it, and not begun to write items."""
    inbox = Inbox()
    event = inbox.upload("orders/x.jsonl", TWICE)
    seen: list[str] = []

    def interfere(name: str, key: str, _done: bool) -> None:
        if not seen and key.startswith("checkpoints/") and name == moment:
            seen.append(key)
            inbox.invoke(event)
            inbox.items["orders#0"] = NEWER

    inbox.on_call = interfere
    inbox.run()
    assert seen
    assert inbox.items["orders#0"] == NEWER
    assert len(inbox.receipts) == 1


def test_a_notification_without_a_sequencer_loads_its_file_each_time() -> None:
    """Such as one written by hand: nothing tells a repeated one from that of a new upload with the same content."""
    inbox = Inbox()
    event = inbox.upload("orders/x.jsonl", TWICE)
    del event["Records"][0]["s3"]["object"]["sequencer"]
    for _ in range(2):
        inbox.items.clear()
        inbox.invoke(event)
        assert inbox.items["orders#0"]["lines"] == 3
        assert inbox.receipts[-1]["accepted"] == 3
