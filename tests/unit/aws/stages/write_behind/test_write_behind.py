"""Write-behind, one case at a time; the simulation plays it with everything that may happen to it."""

from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tailrace.aggregation.carried.state import Outstanding
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.outstanding_rows import OutstandingRows, ShardRow
from tailrace.aws.runtime.settings import AggregateSettings
from tailrace.aws.stages.write_behind import FORGOTTEN, LOST, WriteBehind
from tailrace.backfill.generations import doubt
from tailrace.errors import SettingsError, Transient
from tailrace.inputs.changes import RawBatch, StreamPosition
from tests.simulation.invariants import find_wrong_rows
from tests.simulation.world.functions import PROGRESS, TABLE
from tests.simulation.world.steps import Deliver, Fault, History, Redeliver, Run, Write
from tests.simulation.world.world import World
from tests.unit.aws.stages.write_behind.carrying import ORDER, SECONDS, carrying, orders, progress


def test_the_first_batch_of_a_shard_is_committed_and_the_next_one_waits() -> None:
    world = carrying()
    assert orders(world) == 1
    assert world.functions.outstanding()
    world.finish()
    assert orders(world) == 2
    assert not world.functions.outstanding()
    assert not list(find_wrong_rows(world))


def test_readers_are_told_of_what_waits_and_of_commits_only() -> None:
    world = carrying()
    row = progress(world)
    assert row["changes"] == 1
    assert row["missing_since"] == row["newest"] or row["missing_since"] > row["newest"]
    assert "expires_at" not in row
    world.finish()
    row = progress(world)
    assert row["changes"] == 2
    assert "missing_since" not in row
    assert row["expires_at"] > world.now


def test_what_is_left_after_a_late_delivery_still_waits() -> None:
    world = carrying()
    waits = progress(world)["missing_since"]
    world.play(Write("orders", "3", ORDER))
    world.play(Deliver("aggregate", 0))
    world.play(Redeliver("aggregate", 0, 2, 1))
    assert orders(world) == 2
    assert progress(world)["missing_since"] >= waits
    assert "expires_at" not in progress(world)


def test_a_window_of_several_batches_costs_one_write_for_each_row() -> None:
    writes = {}
    for seconds in (0, 900):
        world = carrying(seconds)
        for number in range(3, 11):
            world.play(Write("orders", str(number), ORDER))
            world.play(Deliver("aggregate", 0))
        world.finish()
        assert orders(world) == 10
        calls = [entry for entry in world.trace if entry[1:4] == ("call", "UpdateItem", "shops@1#a")]
        writes[seconds] = len(calls)
    assert writes == {0: 10, 900: 2}


def test_what_waits_is_committed_when_write_behind_is_turned_off() -> None:
    world = carrying()
    world.functions._carries_s = 0
    world.functions._processes.clear()
    world.play(Write("orders", "3", ORDER))
    world.play(Deliver("aggregate", 0, Run(handed=0)))
    world.play(Deliver("aggregate", 0, Run(handed=0)))
    assert orders(world) == 3
    assert not world.functions.outstanding()


@pytest.mark.parametrize("change", [{"meaning": "another"}, {"format": 2}, {"rows": "no rows"}, {"changes": None}])
def test_a_state_that_is_not_understood_is_read_from_the_stream_again(change: dict[str, Any]) -> None:
    world = carrying()
    states = next(iter(world.states.values()))
    states[-1] |= change
    world.play(Write("orders", "3", ORDER))
    world.play(Deliver("aggregate", 0, Run(handed=1)))
    world.finish()
    assert "GetRecords" in {entry[2] for entry in world.trace if entry[1] == "call"}
    assert orders(world) == 3


@pytest.mark.parametrize(("hours", "left", "reasons"), [(23.5, 3, {"lost before", ""}), (25, 2, {LOST})])
def test_changes_that_are_gone_are_told_and_stop_nothing(
    hours: float, left: int, reasons: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counter[str]()
    monkeypatch.setattr("tailrace.aws.backfill.feeder.count_metrics", lambda _where, **counts: counted.update(counts))
    world = carrying()
    database: Any = world.functions.database
    control = ControlTable(database, TABLE)
    inexact = next(iter(control.read().generations.values()))
    assert control.replace(inexact, doubt(inexact, "lost before"))
    world.now += hours * 3600
    world.play(Write("orders", "3", ORDER))
    world.play(Deliver("aggregate", 0, Run(handed=0)))
    world.play(Deliver("aggregate", 0, Run(handed=0)))
    generations = control.read().generations.values()
    assert {one.reason for one in generations} == reasons
    others = len(generations) - 1
    assert sum(one.exact for one in generations) == (others if left == 3 else 0)
    assert counted["GenerationsInterrupted"] == (0 if left == 3 else others)
    world.finish()
    assert orders(world) == left


@pytest.mark.parametrize("is_final", [True, False])
def test_a_state_without_the_row_of_its_shard_is_told_and_stops_nothing(*, is_final: bool) -> None:
    world = carrying()
    database: Any = world.functions.database
    (row,) = [row for row in database.rows(PROGRESS) if row["pk"]["S"] == "aggregate"]
    database.delete_item(TableName=PROGRESS, Key={name: row[name] for name in ("pk", "sk")})
    if not is_final:
        world.play(Write("orders", "3", ORDER))
        world.play(Deliver("aggregate", 0))
    world.finish()
    generations = ControlTable(database, TABLE).read().generations.values()
    assert {(one.exact, one.reason) for one in generations} == {(False, FORGOTTEN)}
    assert orders(world) == 1 + (not is_final)


def test_a_process_that_dies_at_any_call_stops_nothing() -> None:
    world = carrying()
    for call in range(12):
        world.play(Deliver("aggregate", 0, Run(handed=0, faults=(Fault(call, "before"),))))
    world.finish()
    assert orders(world) == 2


def test_a_final_invocation_that_cannot_commit_fails_and_is_made_again() -> None:
    world = carrying()
    throttled = tuple(Fault(call, "throttled") for call in range(3))
    world.play(Deliver("aggregate", 0, Run(faults=throttled)))
    assert world.functions.outstanding()
    assert not world.functions.raised
    world.finish()
    assert orders(world) == 2


@pytest.mark.parametrize("is_checked", [True, False])
def test_an_invocation_that_comes_late_settles_no_more_than_it_has_committed(
    monkeypatch: pytest.MonkeyPatch, *, is_checked: bool
) -> None:
    """While it commits two changes, the shard's own invocation carries those and a third one."""
    if not is_checked:
        _settle_whatever_the_row_says(monkeypatch)
    world = World(History(0, (), carries_s=900, batch_size=4))
    for number in ("1", "2"):
        world.play(Write("orders", number, ORDER))
        world.play(Deliver("aggregate", 0))
    for number in ("3", "4"):
        world.play(Write("orders", number, ORDER))
    meanwhile = Fault(1, "meanwhile", meanwhile=Deliver("aggregate", 0))
    late = Run(faults=(meanwhile,), handed=1, final=True, environment=1)
    world.play(Redeliver("aggregate", 0, 0, 1, late))
    world.play(Write("orders", "5", ORDER))
    world.play(Deliver("aggregate", 0))
    world.finish()
    assert (orders(world) == 5) is is_checked


@pytest.mark.parametrize(
    ("delivered", "retry_from", "expected"),
    [
        (False, 5, [("advance", 4)]),  # a page of the stream
        (True, 5, [("advance", 4)]),
        (True, 3, []),
        (True, None, [("settle", 6)]),
        (True, 6, [("settle", 5)]),
    ],
)
def test_the_part_that_is_committed_is_not_read_again(
    *, delivered: bool, retry_from: int | None, expected: list[tuple[str, int]]
) -> None:
    """Otherwise changes that take longer than an invocation would be folded again and again."""
    told: list[tuple[str, int]] = []
    batch = RawBatch("s", "shard", (), ())
    part = RawBatch("s", "shard", ({},) * 4, tuple(StreamPosition(n, "2024") for n in (3, 4, 5, 6)))
    stream: Any = SimpleNamespace(read=lambda *_range: [part])
    rows: Any = SimpleNamespace(
        advance=lambda _shard, _before, last: told.append(("advance", last.sequence)),
        settle=lambda _shard, _before, last: told.append(("settle", last)),
    )
    feeder: Any = SimpleNamespace(is_too_old=lambda _page: False)
    behind = WriteBehind(SECONDS, World(History(0, ())).pipeline, feeder, rows, stream)
    row = ShardRow(exists=True, outstanding=Outstanding(3, 5))
    with nullcontext() if delivered else pytest.raises(Transient):
        assert behind.catch_up(part if delivered else batch, row, lambda _batch: retry_from) == retry_from
    assert told == expected


def _settle_whatever_the_row_says(monkeypatch: pytest.MonkeyPatch) -> None:
    update = OutstandingRows._update

    def always(self: OutstandingRows, shard: str, change: str, *rest: Any) -> bool:
        condition, names, values = rest
        if "REMOVE #outstanding" in change:
            condition = "attribute_exists(#committed) OR #outstanding <> :committed"
            values = {name: value for name, value in values.items() if name != ":before"}
        return update(self, shard, change, condition, names, values)

    monkeypatch.setattr(OutstandingRows, "_update", always)


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "²"])
def test_only_whole_seconds_are_accepted(text: str) -> None:
    settings = AggregateSettings(
        aggregates_table="a", history_bucket="h", progress_table="p", write_behind_seconds=text
    )
    with pytest.raises(SettingsError, match="WRITE_BEHIND_SECONDS must be a whole number"):
        _ = settings.write_behind_s
