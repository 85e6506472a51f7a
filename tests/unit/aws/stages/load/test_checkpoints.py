"""load: a file that takes several invocations has the receipt and the items of one that takes a single one."""

import random

import pytest

from local.in_memory.errors import client_error
from tailrace.aws.stages import load
from tailrace.errors import Transient
from tests.unit.aws.stages.load.inbox import Dying, Inbox, Killed
from tests.unit.aws.stages.load.large_files import FILES, LINES, SEEDS, assert_same, at_once

pytestmark = pytest.mark.usefixtures("large")


@pytest.mark.parametrize("name", FILES)
def test_time_that_runs_out_at_any_line_changes_nothing(name: str) -> None:
    expected = at_once(name)
    for lines in range(expected.flushes):
        for budgets in ([lines], [lines] * 40):  # one invocation is short, or all are
            inbox, left = Inbox(), iter(budgets)
            inbox.upload(*FILES[name])
            inbox.run(lambda left=left: next(left, float("inf")))  # type: ignore[misc]
            assert_same(inbox, expected, name)
            assert len(inbox.receipts) == 1


@pytest.mark.parametrize("name", FILES)
def test_a_function_that_dies_anywhere_loses_and_doubles_nothing(name: str) -> None:
    expected = at_once(name)
    deaths = 0
    for seed in SEEDS:
        chance = random.Random(f"{name} {seed}")  # noqa: S311
        inbox = Inbox()
        inbox.upload(*FILES[name])
        inbox.on_call = dying = Dying(chance, chance.choice([0.01, 0.05, 0.15]))
        inbox.run(lambda chance=chance: chance.choice([1, 3, 10, 40]))  # type: ignore[misc]
        assert_same(inbox, expected, name)
        deaths += dying.deaths
    assert deaths > 10


def test_a_death_costs_the_lines_since_the_last_checkpoint() -> None:
    """Of one line a second, those of five seconds are written again; without checkpoints, all would be."""
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])
    writes = 0

    def die(name: str, _key: str, done: bool) -> None:
        nonlocal writes
        writes += name == "write" and done
        if writes == 22:
            raise Killed

    inbox.on_call = die
    with pytest.raises(Killed):
        inbox.invoke(event)
    inbox.on_call = lambda _call, _key, _done: None
    before = inbox.flushes
    inbox.invoke(event)
    assert inbox.flushes - before < 15
    assert_same(inbox, at_once("lines"), "lines")


def test_a_busy_bucket_or_lambda_is_tried_again() -> None:
    inbox = Inbox()
    inbox.upload(*FILES["lines"])
    chance = random.Random("busy")  # noqa: S311
    calls = 0

    def fail(call: str, key: str, done: bool) -> None:
        nonlocal calls
        if key.startswith("checkpoints/") or call == "invoke":
            calls += 1
            if chance.random() < 0.2:
                raise client_error(call, "SlowDown", status=503) if key else Transient("busy")

    inbox.on_call = fail
    inbox.run(lambda: 6)
    assert calls > 10
    assert_same(inbox, at_once("lines"), "lines")


def test_a_compressed_file_that_takes_too_long_to_skip_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.inputs.unpacking._PIECE_BYTES", 1000)
    monkeypatch.setattr("tailrace.aws.runtime.object_reader.RANGE_BYTES", 1000)
    inbox = Inbox()
    file, body = FILES["lines, compressed"]
    assert inbox.invoke(inbox.upload(file, body), 20) == []
    (receipt,) = inbox.invoke(inbox.events[-1], 0)
    assert "upload it uncompressed, or in several files" in receipt["failure"]
    assert receipt["accepted"] + receipt["rejected"] == 21


def test_a_plain_file_without_time_for_one_line_is_tried_again() -> None:
    inbox = Inbox()
    event = inbox.upload("orders/x.jsonl", b'{"id": "' + b"x" * 1000 + b'"}')
    with pytest.raises(Transient, match="no time left at line 0"):
        inbox.invoke(event, 0)


def test_every_file_has_a_checkpoint_at_the_beginning_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_FLUSH_LINES", 500)
    puts: list[str] = []
    inbox = Inbox(on_call=lambda call, key, done: puts.append(key) if call == "put" and done else None)
    inbox.upload(*FILES["lines"])
    inbox.run()
    assert sum(key.startswith("checkpoints/") for key in puts) == 2


def test_the_second_file_of_a_notification_is_handed_on_when_the_first_has_used_the_time() -> None:
    inbox = Inbox()
    records = [inbox.upload(f"orders/{name}.jsonl", LINES)["Records"][0] for name in "xy"]
    inbox.events.clear()
    inbox.events.append({"Records": records})
    inbox.run(lambda: 5)
    assert {one["file"]: one["accepted"] for one in inbox.receipts} == dict.fromkeys(
        ("inbox/orders/x.jsonl", "inbox/orders/y.jsonl"), 27
    )


def test_an_unusable_checkpoint_is_written_anew() -> None:
    for body in (b"", b"[1]", b"\xff", b'{"sequencer": "0001"}'):
        inbox = Inbox()
        inbox.objects["archive", "checkpoints/orders/x.jsonl.json"] = (body, '"e"', {})
        inbox.upload(*FILES["lines"])
        inbox.run(lambda: 5)
        assert_same(inbox, at_once("lines"), "lines")


@pytest.mark.parametrize("place", ["receipts/", "checkpoints/"])
@pytest.mark.parametrize("code", ["SlowDown", "ConditionalRequestConflict"])
def test_a_receipt_or_checkpoint_that_cannot_be_written_now_is_written_by_the_next_try(code: str, place: str) -> None:
    inbox = Inbox()
    event = inbox.upload(*FILES["lines"])
    event["Records"][0]["continued"] = True  # so that the checkpoint is written at the beginning

    def refuse(call: str, key: str, _done: bool) -> None:
        if call == "put" and key.startswith(place):
            raise client_error("PutObject", code, status=503 if code == "SlowDown" else 409)

    inbox.on_call = refuse
    with pytest.raises(Transient):
        inbox.invoke(event)
    inbox.on_call = lambda _call, _key, _done: None
    assert len(inbox.invoke(event)) == 1
