"""`tailrace replay`: archived events go to a route again, in order for each item, also if it is killed in between."""

import contextlib
import errno
import gzip
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from cli import replay as module
from cli.__main__ import main
from cli.errors import CommandError
from cli.failures import archives
from cli.failures.run import Run
from cli.failures.sent_log import locked_file
from tests.unit.cli.failures.fakes import Killed, Life
from tests.unit.cli.failures.world import pipeline_with
from tests.unit.cli.replay_world import LEFT, PARENT, RIGHT, START, World, change, sequences


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_events_of_the_route_are_sent_in_order_and_marked(world: World) -> None:
    world.archive([change(3, "a"), change(1, "a"), change(2, "b", number=1)])
    world.archive([change(90, "a", RIGHT), change(4, "a"), change(3, "a")])
    assert world.run() == 4
    assert sequences(world) == [1, 3, 4, 90]
    assert all(event["replayed"] is True for event in world.routed())
    assert world.bookmark.read() is None


def test_a_parent_shard_comes_before_its_children(world: World) -> None:
    world.archive([change(7, "a", LEFT, minutes=5), change(8, "b", RIGHT, minutes=5)])
    world.archive([change(6, "a", minutes=5), change(5, "b", minutes=5)])
    world.run()
    assert sequences(world) == [5, 6, 7, 8]


def test_the_range_has_a_first_and_an_excluded_last_moment(world: World) -> None:
    world.archive([change(minutes, "a") for minutes in (0, 59, 60, 119, 120, 180)])
    assert world.run(hours=(1, 2)) == 2
    assert sequences(world) == [60, 119]


@pytest.mark.parametrize("year", [1, 900, 1970])
def test_everything_since_a_year_before_the_stack_is_sent(world: World, year: int) -> None:
    world.archive([change(1, "a")])
    run = Run()
    world.replay(None).send(datetime(year, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), run, world.bookmark)
    assert run.tally.put_back == 1


def test_a_dry_run_counts_and_sends_nothing(world: World) -> None:
    world.archive([change(1, "a"), change(2, "a")])
    assert world.run(dry_run=True) == 2
    assert world.run(limit=1) == 1
    assert world.run(dry_run=True) == 1  # what the next run would send
    assert sequences(world) == [1]
    assert world.bookmark.read() is not None


@pytest.mark.usefixtures("stack")
def test_what_continues_and_what_finds_nothing_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.archive([change(1, "a"), change(2, "a")])
    ask = ["replay", "even", "--from", "2026-11-25", "--to", "2026-11-26", "--stack", "s"]
    continuing = "Continuing an interrupted replay at hour 2026-11-25T10; --restart begins again."
    for option, told in (("--limit=1", "1 event sent"), ("--dry-run", f"{continuing}\n1 event would be sent")):
        assert main([*ask, option]) == 0
        assert capsys.readouterr().out.endswith(f"{told} to even\n")
    assert main(["replay", "even", "--from", "2030-01-01", "--to", "2031-01-01", "--stack", "s"]) == 0
    assert capsys.readouterr().out.endswith(
        "\nThe archive has no events of the route's collection in this time range.\n"
    )


def test_a_limit_is_kept_and_the_next_run_continues(world: World) -> None:
    world.archive([change(number, "a", number=number) for number in range(1, 21)])
    assert [world.run(limit=4) for _ in range(3)] == [4, 4, 2]
    assert sequences(world) == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]


def test_a_replay_that_continues_does_not_read_what_it_has_passed(world: World) -> None:
    world.archive([change(60 * hour, "a") for hour in range(8)])
    assert world.run(limit=5) == 5
    first = next(key for bucket, key in sorted(world.s3.objects) if bucket == "archive")
    world.s3.put_object(Bucket="archive", Key=first, Body=b"damaged since")
    life = Life()
    assert world.run(life) == 3
    assert sequences(world) == [60 * hour for hour in range(8)]
    assert life.calls == 7  # the route's collection, the catalog, the hours from the fifth on, and the events


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The stack that the command finds, with the route ``even``."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "stack_of", lambda _options: SimpleNamespace(state_folder=tmp_path))
    monkeypatch.setattr(module, "route_names", lambda _stack: ["even"])
    monkeypatch.setattr(module, "_replay", lambda _stack, route: world.replay(route=route))


@pytest.mark.usefixtures("stack")
def test_another_spelling_of_the_route_continues_the_same_replay(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a full disk is one sentence, after what was sent."""
    world.archive([change(number, "a") for number in range(1, 4)])
    span = ["--from", "2026-11-25", "--to", "2026-11-26", "--limit", "1", "--stack", "s"]
    assert [main(["replay", route, *span]) for route in ("even", "Even", "even")] == [0, 0, 0]
    assert sequences(world) == [1, 2, 3]
    _, full = capsys.readouterr(), OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(Path, "write_text", Mock(side_effect=full))
    assert main(["replay", "even", *span, "--restart"]) == 1
    told = capsys.readouterr()
    assert told.out.endswith("\n1 event sent to even\n")
    assert told.err == "tailrace: A file cannot be read or written: No space left on device.\n"


@pytest.mark.usefixtures("stack")
def test_a_route_has_one_replay_at_a_time(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two would send the events of an item out of order, and take each other's bookmark away."""
    world.archive([change(1, "a")])
    ask = ["replay", "even", "--from", "2026-11-25", "--to", "2026-11-26", "--stack", "s"]
    with locked_file(tmp_path / "replay-Even.lock"):
        assert main(ask) == 1
        assert main([*ask, "--dry-run"]) == 0
    assert capsys.readouterr().err.startswith("tailrace: Another replay of this route is running on this machine (")
    assert sequences(world) == []
    assert main(ask) == 0
    assert sequences(world) == [1]


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("kept", [True, False])
def test_objects_that_are_gone_are_told_and_the_others_sent(
    world: World, capsys: pytest.CaptureFixture[str], kept: bool
) -> None:
    for hour in range(13):
        world.archive([change(hour, "a", minutes=60 * hour)])
    for place in list(world.s3.objects):
        if not kept and place[0] == "archive":
            world.s3.objects.pop(place)
    world.archive([change(20, "a", minutes=700)])
    status = main(["replay", "even", "--from", "2026-11-25", "--to", "2026-11-26", "--stack", "s"])
    printed = capsys.readouterr().out
    assert (status, sequences(world)) == ((0, [*range(12), 20, 12]) if kept else (1, [20]))
    assert ("13 objects of the archive are gone, so the events in them were left out:\n" in printed) is not kept
    assert ("  2026-11-25T10: 1\n" in printed) is not kept
    assert ("  … 3 hours more, the last 2026-11-25T22\n" in printed) is not kept


def test_an_event_that_is_too_long_for_a_call_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_EVENT_BYTES", 400)
    world.archive([change(1, "a"), change(2, "a" * 400), change(3, "a")])
    replay = world.replay()
    replay.send(START, START + timedelta(hours=1), Run(), world.bookmark)
    assert sequences(world) == [1, 3]
    assert replay.too_long == {"2026-11-25T10": 1}


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("dry_run", [False, True])
def test_events_on_which_the_predicate_fails_are_told_and_the_others_sent(
    world: World, capsys: pytest.CaptureFixture[str], dry_run: bool
) -> None:
    """The definition may have changed since the items were written."""
    world.deploy(pipeline_with(when=lambda item: 6 / item["n"] > 2))
    world.archive([change(minutes, "a", number=minutes % 3) for minutes in (0, 1, 2, 3, 63, 64)])
    options = ["--from", "2026-11-25", "--to", "2026-11-26", "--stack", "s", *(["--dry-run"] if dry_run else [])]
    assert main(["replay", "even", *options]) == 1
    assert sequences(world) == ([] if dry_run else [1, 2, 64])
    printed = capsys.readouterr().out
    assert "3 events left out, because the predicate fails on them (route 'even': ZeroDivisionError: " in printed
    assert "  2026-11-25T10: 2\n  2026-11-25T11: 1\n" in printed


def test_a_limit_does_not_cost_an_invocation_for_each_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.archive([change(number, "a", number=1 + number // 900) for number in range(1, 1001)])
    invoke, invocations = module.Replay._invoke, 0

    def counted(replay: module.Replay, request: Mapping[str, Any]) -> Any:
        nonlocal invocations
        invocations += 1
        return invoke(replay, request)

    monkeypatch.setattr(module.Replay, "_invoke", counted)
    assert world.run(limit=3) == 3
    assert sequences(world) == [900, 901, 902]
    assert invocations < 30


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-9],
        lambda body: body[:-8] + bytes(4) + body[-4:],
        lambda body: b"PK" + body,
        lambda body: gzip.compress(gzip.decompress(body) + b"{"),
        lambda body: gzip.compress(gzip.decompress(body).replace(b'"n":2', b'"n":2,"\\ud800":NaN')),
        lambda body: gzip.compress(gzip.decompress(body) + b"\xff\n"),
        lambda body: gzip.compress(gzip.decompress(body) + b"\n"),
        lambda _body: b"",
        lambda body: gzip.compress(b"".join(gzip.decompress(body).splitlines(keepends=True)[1:])),
    ],
)
def test_a_damaged_object_is_one_sentence_that_names_it(world: World, damage: Callable[[bytes], bytes]) -> None:
    world.archive([change(number, "a") for number in range(1, 5)])
    (key,) = [key for bucket, key in world.s3.objects if bucket == "archive"]
    body = world.s3.get_object(Bucket="archive", Key=key)["Body"].read()
    world.s3.put_object(Bucket="archive", Key=key, Body=damage(body))
    with pytest.raises(
        CommandError, match=f"^The archive object {key.rpartition('/')[2]} is damaged( near line [1-5])? \\("
    ):
        world.run()
    assert world.routed() == []


def test_a_rate_is_kept(world: World) -> None:
    world.archive([change(number, "a") for number in range(1, 41)])
    slept: list[float] = []
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    assert world.run(rate=10, clock=lambda: now, sleep=sleep) == 40
    assert sum(slept) == pytest.approx(3)


def test_many_objects_of_an_hour_are_merged_a_few_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_OPEN_FILES", 3)
    order = list(range(1, 41))
    random.Random(1).shuffle(order)  # noqa: S311 - a test's
    for number in order:
        world.archive([change(number, "a"), change(41, "a")])
    world.run()
    assert sequences(world) == [*range(1, 41), 41]


def test_a_failing_function_is_one_sentence(world: World) -> None:
    with pytest.raises(CommandError, match="fanout cannot replay these events: NotFound: no route is named 'odd'"):
        world.replay(route="odd").send(START, START + timedelta(days=1), Run(), world.bookmark)


@pytest.mark.parametrize("seed", range(50))
def test_killed_at_random_and_repeated(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BATCH", 5)
    chance = random.Random(seed)  # noqa: S311 - a simulation's
    shards = dict.fromkeys("abcdef", PARENT)
    events = []
    for number in range(1, chance.randint(10, 120)):
        if number == 50:
            shards = {name: LEFT if name < "d" else RIGHT for name in shards}
        name = chance.choice("abcdef")
        events.append(change(number, name, shards[name], number=chance.randint(1, 4), minutes=number * 3))
    for start in range(0, len(events), 7):
        batch = events[start : start + 9]  # cut differently when it was delivered again
        chance.shuffle(batch)
        world.archive(batch)
    world.deploy(pipeline_with())
    cut_off = 0
    for attempt in range(60):
        life = Life(None if attempt == 59 else chance.randint(1, 30), chance.random() < 0.5)
        done = False
        with contextlib.suppress(Killed):
            world.run(life, limit=chance.choice([None, 7]) if attempt < 59 else None)
            done = world.bookmark.read() is None
        cut_off += life.is_dead
        if done:
            break
    expected = [event for event in events if event["data"]["new"]["n"] % 2 == 0]
    first_seen = list({event["id"]: event for event in world.routed()}.values())
    assert {event["id"] for event in first_seen} == {event["id"] for event in expected}
    for name in "abcdef":
        own = [int(event["data"]["sequence"]) for event in first_seen if event["subject"] == name]
        assert own == sorted(own)
    assert len(world.routed()) - len(expected) <= 5 * cut_off
