"""How much of each limit a plan uses, at which rate it is met, and what to do about it."""

import math
from collections.abc import Callable, Iterator, Mapping
from copy import replace

from msgspec import Struct

from cli.plan import limits
from cli.plan.limits import Limit
from cli.plan.model import Plan
from cli.plan.profile import HotKey, HotRow, interpolate
from tailrace.definition.aggregate import MAX_LANES

_MIN_RATE, _MAX_RATE = 1e-6, 1e10
_STEPS = 60
_WINDOW_S = 60
_WORTH_IT = 0.9


class Use(Struct, frozen=True):
    """The use of a limit; ``of`` says which row, key or stage uses the most of it."""

    limit: Limit
    value: float
    of: str = ""

    @property
    def ratio(self) -> float:
        """The use as a fraction of the limit."""
        return self.value / self.limit.value


def uses(plan: Plan) -> list[Use]:
    """Return the use of every limit that a plan knows of, the most used first."""
    return sorted([*_rows(plan), *_stages(plan)], key=lambda use: -use.ratio)


def _rows(plan: Plan) -> Iterator[Use]:
    profile, rate = plan.profile, plan.load.rate
    if profile.hot_item is not None:
        key, share = profile.hot_item
        yield Use(limits.ITEM, share * rate * profile.item_units, key)
    if profile.hot_rows:
        busiest = max(profile.hot_rows, key=lambda row: row_units(plan, row))
        yield Use(limits.ROW, row_units(plan, busiest), f"{busiest.kind} of {busiest.aggregate}, {busiest.key}")
        largest = max(profile.hot_rows, key=plan.bytes_of)
        yield Use(limits.ROW_BYTES, plan.bytes_of(largest), f"{largest.kind} of {largest.aggregate}, {largest.key}")
    if profile.hot_keys:
        key_row = max(profile.hot_keys, key=lambda found: key_units(plan, found))
        yield Use(limits.KEY, key_units(plan, key_row), f"{key_row.kind} of {key_row.aggregate}, {key_row.key}")
    yield Use(limits.ITEMS_TABLE, rate * profile.item_units)
    yield Use(limits.ROWS_TABLE, rate * plan.units)
    if plan.read_units:
        yield Use(limits.READS_TABLE, rate * plan.read_units)


def _stages(plan: Plan) -> Iterator[Use]:
    yield Use(limits.AGGREGATE_TIME, plan.shard_rate * plan.aggregate_s)
    yield Use(limits.FANOUT_TIME, plan.shard_rate * plan.fanout_s)
    yield Use(limits.CONCURRENCY, sum(plan.concurrency.values()))
    yield Use(limits.ARCHIVE, plan.concurrency["archive"])
    busy_s = plan.concurrency["archive"] / plan.archive_batches
    waiting_s = min(_WINDOW_S, max(busy_s, 1 / plan.archive_batches))
    yield Use(limits.IN_FLIGHT, plan.messages * (busy_s + waiting_s))
    yield Use(limits.OBJECTS, plan.archive_batches)


def row_units(plan: Plan, row: HotRow) -> float:
    """Return the write units a second of a hot row, or of each of its lanes."""
    return plan.hot_writes(row) * plan.units_of(row)


def key_units(plan: Plan, found: HotKey) -> float:
    """Return the write units a second of a partition key of the aggregates table."""
    mine = next(one for one in plan.written if (one.aggregate, one.kind) == (found.aggregate, found.kind))
    writes = interpolate(plan.profile.sizes, found.writes, plan.folded) * plan.load.rate
    return writes * mine.units / mine.writes


def met_at(plan: Plan) -> Mapping[Limit, float]:
    """Return the rate at which each limit is met, if there is one, the lowest first; the window stays the same."""
    found: dict[Limit, float] = {}
    for limit in [use.limit for use in uses(plan)]:
        rate = _rate(lambda rate, limit=limit: _ratio(plan, limit, rate))  # type: ignore[misc]
        if rate is not None:
            found[limit] = rate
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def _ratio(plan: Plan, limit: Limit, rate: float) -> float:
    other = replace(plan, load=replace(plan.load, rate=rate))
    return next((use.ratio for use in [*_rows(other), *_stages(other)] if use.limit is limit), 0)


def _rate(ratio: Callable[[float], float]) -> float | None:
    low, high = _MIN_RATE, _MAX_RATE
    if ratio(high) < 1:
        return None
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if ratio(middle) >= 1 else (middle, high)
    return high


def advised_window(plan: Plan, freshness_s: float) -> int:
    """Return the window with the fewest writes while rows are at most this old: longer ones fill no batch further."""
    filled = math.ceil(plan.largest_batch / plan.shard_rate)
    return max(1, min(filled, int(freshness_s), limits.MAX_WINDOW_S))


def advised_write_behind(plan: Plan, freshness_s: float) -> int:
    """Return how long changes should be carried while rows are at most this old; 0 if that saves hardly a write."""
    seconds = max(0, min(int(freshness_s - plan.load.window_s), limits.MAX_WRITE_BEHIND_S))
    plain, carrying = (replace(plan, load=replace(plan.load, write_behind_s=each)) for each in (0, seconds))
    return seconds if carrying.units < plain.units * _WORTH_IT else 0


def advised_lanes(plan: Plan) -> Mapping[str, int]:
    """Return the lanes that aggregates need so that none of their rows meets its limit; 0 if no number is enough."""
    found: dict[str, int] = {}
    for row in plan.profile.hot_rows:
        if row.kind != "row" or row.aggregate not in plan.profile.linear or _fits(plan, row):
            continue
        lanes = (
            lanes
            for lanes in range(2, MAX_LANES + 1)
            if _fits(replace(plan, load=replace(plan.load, lanes={row.aggregate: lanes})), row)
        )
        found[row.aggregate] = next(lanes, 0)
    return found


def saving_lanes(plan: Plan) -> Mapping[str, int]:
    """Return the lanes that keep the busiest row of each aggregate at as few write units as lanes can."""
    found: dict[str, int] = {}
    for row in plan.profile.hot_rows:
        if row.kind == "row" and row.aggregate in plan.profile.linear and plan.units_of(row) > 1:
            units = {
                lanes: replace(plan, load=replace(plan.load, lanes={row.aggregate: lanes})).units_of(row)
                for lanes in range(plan.lanes_of(row.aggregate), MAX_LANES + 1)
            }
            fewest = min(units.values())
            found[row.aggregate] = next(lanes for lanes, each in units.items() if each == fewest)
    return found


def hot_keys(plan: Plan) -> list[tuple[HotKey, float]]:
    """Return the partition keys of the aggregates table that take more than a partition, with their write units."""
    found = [(key, key_units(plan, key)) for key in plan.profile.hot_keys]
    return sorted([pair for pair in found if pair[1] > limits.KEY.value], key=lambda pair: -pair[1])


def _fits(plan: Plan, row: HotRow) -> bool:
    return row_units(plan, row) <= limits.ROW.value and plan.bytes_of(row) <= limits.ROW_BYTES.value
