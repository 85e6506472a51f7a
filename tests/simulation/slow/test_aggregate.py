"""The aggregate stage on a slow table or bucket: no process is killed, deliveries advance, and rows are exact."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    distinct,
    field,
    largest,
    maximum,
    quantile,
    top,
    total,
)
from tailrace.aws.runtime import parallel
from tailrace.aws.stages import aggregate as aggregating
from tailrace.aws.stages.pace import Pace
from tailrace.encoding.json_types import Json
from tailrace.testing import record
from tests.simulation.slow.aggregating import ORDERS, SlowStage
from tests.simulation.slow.services import Speed
from tests.simulation.world.serial_executor import SerialExecutor

SHOPS = 200
MEASURES: dict[str, Any] = {
    "linear": {"amount": total("amount")},
    "extremes": {"most": maximum("amount"), "largest": largest("amount", 2)},
    "distinct": {"amounts": distinct("amount")},
    "top": {"usual": top("amount", 2)},
    "quantile": {"median": quantile("amount", 0.5)},
}
SPEEDS = {
    "few units": Speed(0.05, reads=2, writes=2),
    "few reads": Speed(0.05, reads=2, writes=50),
    "long calls": Speed(1),
}


@pytest.fixture(autouse=True)
def without_threads() -> Iterator[None]:
    with patch.object(parallel, "ThreadPoolExecutor", lambda _threads: SerialExecutor(0)):
        yield


def shops(kind: str) -> Pipeline:
    measures = {"orders": count(), **MEASURES[kind]}
    by_shop = Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=kind == "linear")
    lines = Aggregate("lines", of=ORDERS, each="lines", by=[field("lines.kind")], measures={"lines": count()})
    return Pipeline([ORDERS], [by_shop, lines])


def orders() -> list[Json]:
    """Return the changes that make an order in each shop, and move it to one of a few shops, so that rows empty."""
    made = [(n, {"shop": f"{n}", "amount": n % 40, "lines": [{"kind": n % 3}]}) for n in range(1, SHOPS + 1)]
    inserted = [record(n, "orders", (str(n), None, order)) for n, order in made]
    moved = [record(SHOPS + n, "orders", (str(n), order, order | {"shop": f"to {n % 3}"})) for n, order in made]
    return inserted + moved


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("kind", MEASURES)
def test_a_slow_table_absorbs_a_batch_in_some_deliveries(kind: str, speed: str) -> None:
    stage = SlowStage(shops(kind), orders(), seed=len(kind), speed=SPEEDS[speed])
    stage.deliver(stage.records, most=70)
    assert stage.outcome.killed == 0
    assert stage.rows() == stage.recomputed()


def test_a_stage_that_always_takes_on_all_rows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "learn", lambda *_arguments, **_options: None)
    stage = SlowStage(shops("distinct"), orders(), seed=8, speed=SPEEDS["few reads"])
    with pytest.raises(AssertionError, match="400 changes are left after 15 deliveries"):
        stage.deliver(stage.records, most=15)


def test_a_stage_that_does_not_look_at_its_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregating, "timely", lambda client, _has_time: client)
    stage = SlowStage(shops("extremes"), orders(), seed=8, speed=SPEEDS["long calls"])
    with pytest.raises(AssertionError, match="changes are left after 15 deliveries"):
        stage.deliver(stage.records, most=15)
    assert stage.outcome.killed > 10


@pytest.mark.parametrize("kind", MEASURES)
def test_rows_are_exact_wherever_processes_have_died_on_a_slow_table(kind: str) -> None:
    stage = SlowStage(shops(kind), orders(), seed=len(kind), speed=SPEEDS["few reads"])
    stage.table.calls.deaths = 5
    stage.deliver(stage.records, most=100)
    assert stage.outcome.killed == 5
    assert stage.rows() == stage.recomputed()


@pytest.mark.parametrize("kind", ["linear", "extremes", "distinct"])
def test_what_a_window_has_carried_is_committed_by_a_slow_table_too(kind: str) -> None:
    stage = SlowStage(shops(kind), orders(), seed=1, speed=SPEEDS["few reads"], carries_s=300)
    stage.deliver_windows(size=50, batches=4, most=70)
    assert stage.outcome.killed == 0
    assert stage.rows() == stage.recomputed()


def test_the_images_of_thousands_of_expired_items_are_kept_in_some_deliveries() -> None:
    """TTL deletes many items at once; their images are stored one by one."""
    visits = Collection("visits", schema={"type": "object"}, on_expiry="keep")
    pages = Aggregate("pages", of=visits, by=[field("page")], measures={"visits": count()})
    expiries = [record(n, "visits", (str(n), {"page": "a"}, None), expired=True) for n in range(1, 1501)]
    stage = SlowStage(Pipeline([visits], [pages]), expiries, seed=1, speed=Speed(1))
    stage.deliver(expiries, most=5)
    assert stage.outcome.killed == 0
    assert len(stage.bucket.objects) == len(expiries)
