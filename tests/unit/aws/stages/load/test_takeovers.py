"""load: of several invocations for a file, or several uploads of it, the last one finishes and no other disturbs it."""

import json
import random
from contextlib import suppress

import pytest

from local.in_memory.errors import client_error
from tailrace.aws.stages import load, load_clock
from tailrace.errors import Transient
from tests.unit.aws.stages.load.inbox import Inbox, Killed
from tests.unit.aws.stages.load.large_files import FILES, GOOD, SEEDS, assert_same, at_once

pytestmark = pytest.mark.usefixtures("large")


@pytest.mark.parametrize("name", ["lines", "a table, compressed", "an array"])
@pytest.mark.parametrize("seed", SEEDS)
def test_of_two_invocations_for_one_file_the_later_one_finishes_it(name: str, seed: int) -> None:
    """A notification that comes twice, or a function that dies after it has handed the file on."""
    chance = random.Random(f"{name} {seed}")  # noqa: S311
    inbox, expected = Inbox(), at_once(name)
    event = inbox.upload(*FILES[name])
    busy: list[bool] = []

    def interfere(call: str, key: str, done: bool) -> None:
        if call == "put" and key.startswith("checkpoints/") and not done and not busy and chance.random() < 0.3:
            busy.append(True)
            with suppress(Killed, Transient):
                inbox.invoke(event, chance.choice([0, 1, 5, 12, 40]))
            busy.pop()

    inbox.on_call = interfere
    inbox.run(lambda: chance.choice([2, 6, 40]))
    inbox.on_call = lambda _call, _key, _done: None
    inbox.events.append(event)  # what failed is delivered again
    inbox.run()
    assert_same(inbox, expected, name)
    assert len({json.dumps(one, sort_keys=True) for one in inbox.receipts}) == 1


def test_an_invocation_that_is_overtaken_at_its_last_line_leaves_the_receipt_to_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a receipt, the other one would end in the middle, where it has just written older lines again."""
    monkeypatch.setattr(load_clock, "CHECKPOINT_EVERY_MS", 1_000_000)
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])
    writes: list[int] = []

    def interfere(call: str, _key: str, done: bool) -> None:
        if call == "write" and done:
            writes.append(1)
            if len(writes) == 27:  # of the 30 lines, 3 are refused
                inbox.invoke(event, 0)

    inbox.on_call = interfere
    inbox.run()
    assert len(writes) > 27
    assert_same(inbox, at_once("lines"), "lines")


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_checkpoint_whose_response_was_lost_is_still_ours(code: str) -> None:
    """The SDK then sends it again, and the condition no longer holds."""
    inbox = Inbox()
    inbox.upload(*FILES["lines"])
    seen: list[int] = []

    def lose(call: str, key: str, done: bool) -> None:
        if call == "put" and key.startswith("checkpoints/") and done:
            seen.append(1)
            if len(seen) % 2:
                raise client_error("PutObject", code, status=412)

    inbox.on_call = lose
    inbox.run(lambda: 8)
    assert len(seen) > 8
    assert_same(inbox, at_once("lines"), "lines")


OTHER = json.dumps(GOOD | {"id": "0", "lines": 777}).encode()


@pytest.mark.parametrize("name", ["lines", "lines, compressed", "a table"])
@pytest.mark.parametrize("budget", [1, 4, 9])
def test_a_file_that_is_deleted_between_two_invocations_has_a_receipt_that_says_so(name: str, budget: int) -> None:
    inbox = Inbox()
    file, body = FILES[name]
    event = inbox.upload(file, body)
    assert inbox.invoke(event, budget) == []
    inbox.objects.pop(("archive", f"inbox/{file}"))
    inbox.run()
    receipt = inbox.receipt(file)
    assert "deleted while it was read" in receipt["failure"]
    assert 0 < receipt["accepted"] + receipt["rejected"] <= budget + 1
    assert len(inbox.receipts) == 1


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("budget", [1, 4, 9])
def test_a_file_that_is_replaced_between_two_invocations_is_left_to_its_new_upload(budget: int, late: bool) -> None:
    inbox = Inbox()
    file, body = FILES["lines"]
    assert inbox.invoke(inbox.upload(file, body), budget) == []
    inbox.events.popleft()
    inbox.upload(file, OTHER)
    if late:
        inbox.events.rotate(1)
    inbox.run()
    assert inbox.items["orders#0"]["lines"] == 777
    assert (inbox.receipt(file)["sequencer"], inbox.receipt(file)["accepted"]) == ("0002", 1)
    told = [one for one in inbox.receipts if one["sequencer"] == "0001"]
    assert all("replaced" in one["failure"] for one in told)
    assert len(told) == (0 if late else 1)


def test_an_upload_is_loaded_though_an_earlier_one_writes_its_checkpoint_at_this_moment() -> None:
    """Otherwise, it would be left to the earlier one, which stops because its file was replaced."""
    inbox = Inbox()
    file, body = FILES["lines"]
    assert inbox.invoke(inbox.upload(file, body), 4) == []
    inbox.events.clear()
    place = ("archive", f"checkpoints/{file}.json")
    seen: list[str] = []

    def interfere(call: str, key: str, done: bool) -> None:
        if call == "put" and key == place[1] and not done and not seen:
            seen.append(key)
            inbox.objects[place] = (inbox.objects[place][0] + b" ", '"written by the earlier one"', {})

    event = inbox.upload(file, OTHER)
    inbox.on_call = interfere
    (receipt,) = inbox.invoke(event)
    assert seen
    assert (receipt["sequencer"], receipt["accepted"]) == ("0002", 1)
    assert inbox.items["orders#0"]["lines"] == 777


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_lines_of_one_item_do_not_overwrite_a_new_upload(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Each of them is written on its own, before many lines are read."""
    monkeypatch.setattr(load, "_FLUSH_LINES", 500)
    monkeypatch.setattr(load, "_CHECK_EVERY_MS", 0)
    inbox, seen = Inbox(), 0
    lines = "".join(json.dumps(GOOD | {"id": "0", "lines": n}) + "\n" for n in range(5))
    event = inbox.upload("orders/x.jsonl", lines.encode())
    inbox.events.clear()

    def interfere(call: str, _key: str, done: bool) -> None:
        nonlocal seen
        seen += call == "write" and done
        if seen == writes:
            seen = 100
            inbox.invoke(inbox.upload("orders/x.jsonl", OTHER))

    inbox.on_call = interfere
    assert inbox.invoke(event) == []
    assert inbox.items["orders#0"]["lines"] == 777
    assert inbox.receipt("orders/x.jsonl")["sequencer"] == "0002"


@pytest.mark.parametrize("budget", [1, 4, 9])
def test_the_same_content_again_is_loaded_by_the_later_upload(budget: int) -> None:
    inbox = Inbox()
    file, body = FILES["lines"]
    first = inbox.upload(file, body)
    assert inbox.invoke(first, budget) == []
    second = inbox.upload(file, body)
    inbox.events.clear()
    inbox.events.extend([second, first, first])
    inbox.run(lambda: 3)
    assert inbox.receipt(file)["sequencer"] == "0002"
    assert [one["sequencer"] for one in inbox.receipts] == ["0002"]
    assert inbox.items == at_once("lines").items


def test_a_receipt_never_replaces_that_of_a_later_upload() -> None:
    """The later upload is loaded between the last look at the receipt and its write."""
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])
    told: list[bool] = []

    def interfere(call: str, key: str, done: bool) -> None:
        if call == "put" and key.startswith("receipts/") and not done and not told:
            told.append(True)
            inbox.invoke(inbox.upload(*FILES["lines"]))

    inbox.on_call = interfere
    assert inbox.invoke(event) == []
    assert inbox.receipt("orders/x.jsonl")["sequencer"] == "0002"


def test_a_receipt_whose_write_is_repeated_by_the_sdk_is_told_once() -> None:
    """The response to the first attempt is lost, and the second one meets what the first has written."""
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])

    def lose(call: str, key: str, done: bool) -> None:
        if call == "put" and key.startswith("receipts/") and done:
            raise client_error("PutObject", "PreconditionFailed", status=412)

    inbox.on_call = lose
    assert len(inbox.invoke(event)) == 1
    assert inbox.receipt("orders/x.jsonl") == at_once("lines").receipt("orders/x.jsonl")
