"""load: a file that takes several invocations has the receipt and the items of one that takes a single one."""

import gzip
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from local.in_memory.errors import client_error
from tailrace.aws.stages import load
from tailrace.errors import Transient
from tests.unit.aws.stages.inbox import Dying, Inbox, Killed

GOOD = {"shop": "a", "placed": "2024-10-27"}
SEEDS = range(25)


def items(count: int) -> list[dict[str, Any]]:
    """Return items, some of them bad, many with an id that comes again with another value."""
    found = []
    for n in range(count):
        item: dict[str, Any] = GOOD | {"id": str(n * 7 % 11), "lines": n, "notes": {"n": "x" * (n % 5)}}
        found.append(item | {"lines": "no number"} if n % 9 == 4 else item)
    return found


def rows(count: int) -> str:
    return "".join(f'{one["id"]},"a\n{n}""",2024-10-27,{one["lines"]}\n' for n, one in enumerate(items(count)))


LINES = "".join(json.dumps(one) + "\n" for one in items(30)).encode()
TABLE = ("id,shop,placed,lines\n" + rows(25) + 'x,"open\ny,b,2024-10-27,1\n' + "z,too,few\n").encode()

FILES: dict[str, tuple[str, bytes]] = {
    "lines": ("orders/x.jsonl", LINES),
    "lines without an end": ("orders/x.jsonl", b"\xef\xbb\xbf" + LINES + b"\n\n" + LINES[:-30]),
    "lines that end with CR": ("orders/x.jsonl", LINES.replace(b"\n", b"\r")),
    "lines that end with CRLF": ("orders/x.jsonl", LINES.replace(b"\n", b"\r\n")),
    "lines, compressed": ("orders/x.jsonl.gz", gzip.compress(LINES[:700]) + gzip.compress(LINES[700:])),
    "half of the compressed lines": ("orders/x.jsonl.gz", gzip.compress(LINES, 0)[:-500]),
    "a damaged checksum": ("orders/x.jsonl.gz", gzip.compress(LINES)[:-8] + b"\0" * 8),
    "a table": ("orders/x.csv", TABLE),
    "a table of semicolons": ("orders/x.csv", TABLE.replace(b",", b";")),
    "a table, compressed": ("orders/x.csv.gz", gzip.compress(TABLE)),
    "an array": ("orders/x.json", json.dumps(items(30), indent=1).encode()),
    "half an array": ("orders/x.json", json.dumps(items(30), indent=1).encode()[:-300]),
    "an array and more": ("orders/x.json", json.dumps(items(9)).encode() + b"[]"),
    "no collection": ("nothing/x.jsonl", LINES),
    "no items": ("orders/x.jsonl", b"\n" * 30),
    "no header": ("orders/x.csv", b""),
}


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write after each line, and treat every file as a large one."""
    monkeypatch.setattr(load, "_FLUSH_LINES", 1)
    monkeypatch.setattr(load, "_LARGE_BYTES", -1)
    monkeypatch.setattr("tailrace.aws.runtime.object_reader.RANGE_BYTES", 250)


def at_once(name: str) -> Inbox:
    """Load a file in one invocation."""
    inbox = Inbox()
    inbox.upload(*FILES[name])
    inbox.run()
    assert inbox.invocations == 1
    return inbox


def assert_same(inbox: Inbox, expected: Inbox, name: str) -> None:
    file = FILES[name][0]
    assert inbox.receipt(file) == expected.receipt(file)
    assert inbox.items == expected.items
    assert inbox.stored("failures", "") == expected.stored("failures", "")


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
    monkeypatch.setattr(load, "_CHECKPOINT_EVERY_MS", 1_000_000)
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
    """The SDK sends it again then, and the condition does not hold any more."""
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
    assert "replaced or deleted" in receipt["failure"]
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


def test_small_files_make_no_checkpoint_and_large_ones_one_at_the_beginning_and_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "_FLUSH_LINES", 500)
    for threshold, expected in ((4_000_000, 0), (1000, 2)):
        monkeypatch.setattr(load, "_LARGE_BYTES", threshold)
        puts: list[str] = []
        inbox = Inbox(on_call=lambda call, key, done, puts=puts: puts.append(key) if call == "put" and done else None)  # type: ignore[misc]
        inbox.upload(*FILES["lines"])
        inbox.run()
        assert sum(key.startswith("checkpoints/") for key in puts) == expected


def test_a_small_file_that_takes_long_is_continued_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_LARGE_BYTES", 4_000_000)
    for budget in (1, 7, 12):
        inbox = Inbox()
        inbox.upload(*FILES["lines"])
        inbox.run(lambda budget=budget: budget)  # type: ignore[misc]
        assert inbox.invocations > 2
        assert_same(inbox, at_once("lines"), "lines")


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
