"""The plan as text for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from copy import replace
from typing import Any, Self

from msgspec import Struct

from cli.plan.costs import Cost, costs
from cli.plan.dollars import dollars_a_month, upstream_dollars
from cli.plan.limits import ROW_BYTES, Limit
from cli.plan.model import Load, Plan
from cli.plan.profile import HotKey
from cli.plan.sampling.assembly import Sampled
from cli.plan.sources import Figures, Prices
from cli.plan.usage import (
    Use,
    advised_lanes,
    advised_window,
    advised_write_behind,
    hot_keys,
    met_at,
    saving_lanes,
    uses,
)


class Timing(Struct, frozen=True):
    """What is given of the stack's times, and what may be advised.

    ``window_s`` is None if it is not given; ``freshness_s`` is how old rows may be at most.
    """

    freshness_s: int = 10
    window_s: int | None = None
    write_behind_s: int = 0
    shards: int | None = None


class Rate(Struct, frozen=True):
    """The plan for one rate, at the window that is given or advised.

    ``window_s`` is the advised window, ``write_behind_s`` the advised time to carry changes, 0 if it saves hardly a
    write. ``lanes`` are those that aggregates need, 0 where no number is enough; ``saving_lanes`` those that keep rows
    at one write unit, with the dollars a month for rows that remain. ``by_window`` and ``by_write_behind`` hold write
    units per 1,000 changes, and dollars a month.
    """

    plan: Plan
    uses: Sequence[Use]
    window_s: int
    write_behind_s: int
    lanes: Mapping[str, int]
    saving_lanes: Mapping[str, int]
    saving_dollars: float
    dollars: Mapping[str, float]
    upstream: float
    by_window: Mapping[int, tuple[float, float]]
    by_write_behind: Mapping[int, tuple[float, float]]
    hot_keys: Sequence[tuple[HotKey, float]]

    @property
    def first(self) -> Use:
        """The limit that is used most."""
        return self.uses[0]

    @property
    def too_large(self) -> Use | None:
        """The row that would be larger than DynamoDB allows, if there is one: then nothing costs what is computed."""
        return next((use for use in self.uses if use.limit is ROW_BYTES and use.ratio > 1), None)


class Report(Struct, frozen=True):
    """Everything that is printed."""

    reference: str
    sampled: Sampled
    rates: Sequence[Rate]
    met: Mapping[Limit, float]
    costs: Sequence[Cost]
    figures: Figures
    prices: Prices

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - it joins everything
        cls,
        reference: str,
        found: Sampled,
        rates: Sequence[float],
        timing: Timing,
        figures: Figures,
        prices: Prices,
    ) -> Self:
        """Plan for each rate."""
        loads = [Load(rate, shards=timing.shards, write_behind_s=timing.write_behind_s) for rate in rates]
        made = [_rate(Plan(found.profile, figures, load), timing, prices) for load in loads]
        middle = made[0].plan
        return cls(reference, found, made, met_at(middle), costs(middle), figures, prices)

    @property
    def is_dated(self) -> str:
        """Where prices and figures come from."""
        return f"list prices of {self.prices.region}, {self.prices.checked}"


_WINDOWS = (1, 5, 15, 60, 300)
_WRITE_BEHINDS = (60, 300, 900)


def _rate(plan: Plan, timing: Timing, prices: Prices) -> Rate:
    advised = advised_window(plan, timing.freshness_s)
    chosen = at_window(plan, timing.window_s or advised)
    carrying = advised_write_behind(at_window(plan, advised), timing.freshness_s)  # both are advised together
    windows = sorted({*_WINDOWS, advised, round(chosen.load.window_s)})
    carried = sorted({*_WRITE_BEHINDS, carrying, timing.write_behind_s} - {0})
    saving = saving_lanes(chosen)
    with_lanes = replace(chosen, load=replace(chosen.load, lanes=saving))
    return Rate(
        chosen,
        uses(chosen),
        advised,
        carrying,
        advised_lanes(chosen),
        saving,
        dollars_a_month(with_lanes, prices.dollars)["aggregate rows, written"],
        dollars_a_month(chosen, prices.dollars),
        upstream_dollars(chosen, prices.dollars),
        {seconds: _writes(carrying_for(at_window(plan, seconds), 0), prices) for seconds in windows},
        {seconds: _writes(carrying_for(chosen, seconds), prices) for seconds in carried},
        hot_keys(chosen),
    )


def _writes(plan: Plan, prices: Prices) -> tuple[float, float]:
    """Return the write units per 1,000 changes, and what they cost in a month."""
    return plan.units * 1000, dollars_a_month(plan, prices.dollars)["aggregate rows, written"]


def at_window(plan: Plan, window_s: float) -> Plan:
    """Return the plan at another window."""
    return replace(plan, load=replace(plan.load, window_s=window_s))


def carrying_for(plan: Plan, seconds: float) -> Plan:
    """Return the plan with changes carried for this long."""
    return replace(plan, load=replace(plan.load, write_behind_s=seconds))


def as_json(report: Report) -> dict[str, Any]:
    """Return the plan for programs; rates are per second, costs in dollars a month of 30 days."""
    found = report.sampled
    return {
        "pipeline": report.reference,
        "collection": found.collection,
        "sample": {
            "source": found.source,
            "generated": found.is_generated,
            "changes": found.profile.changes,
            "inserts": found.kinds[0],
            "updates": found.kinds[1],
            "deletes": found.kinds[2],
            "notes": list(found.notes),
        },
        "prices": {"region": report.prices.region, "checked": report.prices.checked},
        "figures": list(report.figures.taken),
        "measures": [
            {
                "aggregate": one.aggregate,
                "measures": list(one.measures),
                "writes": one.writes,
                "write_units": one.write_units,
                "read_units": one.read_units,
                "what": one.what,
            }
            for one in report.costs
        ],
        "rates": [_rate_json(rate) for rate in report.rates],
        "limits_met_at": [
            {"limit": limit.name, "rate": rate, "remedy": limit.remedy, "source": limit.source}
            for limit, rate in report.met.items()
        ],
    }


def _rate_json(rate: Rate) -> dict[str, Any]:
    plan = rate.plan
    return {
        "rate": plan.load.rate,
        "shards": plan.shards,
        "window_s": plan.load.window_s,
        "advised_window_s": rate.window_s,
        "write_behind_s": plan.load.write_behind_s,
        "advised_write_behind_s": rate.write_behind_s,
        "advised_lanes": dict(rate.lanes),
        "saving_lanes": dict(rate.saving_lanes),
        "saving_dollars_a_month": rate.saving_dollars,
        "hot_keys": [{"key": found.key, "of": found.aggregate, "write_units": units} for found, units in rate.hot_keys],
        "batch": plan.batch,
        "folded": plan.folded,
        "rows_per_1000": plan.rows * 1000,
        "write_units_per_1000": plan.units * 1000,
        "read_units_per_1000": plan.read_units * 1000,
        "concurrency": dict(plan.concurrency),
        "concurrency_at_most": at_most(plan),
        "sqs_messages": {"archive": plan.messages, "routes": plan.routed},
        "s3_puts": plan.archive_batches,
        "dollars_a_month": dict(rate.dollars) | {"total": sum(rate.dollars.values())},
        "is_reachable": rate.too_large is None,
        "upstream_dollars_a_month": rate.upstream,
        "windows": [
            {"window_s": window_s, "write_units_per_1000": units, "dollars_a_month": dollars}
            for window_s, (units, dollars) in rate.by_window.items()
        ],
        "write_behinds": [
            {"write_behind_s": seconds, "write_units_per_1000": units, "dollars_a_month": dollars}
            for seconds, (units, dollars) in rate.by_write_behind.items()
        ],
        "limits": [
            {
                "limit": use.limit.name,
                "of": use.of,
                "value": use.value,
                "allowed": use.limit.value,
                "unit": use.limit.unit,
                "remedy": use.limit.remedy,
                "source": use.limit.source,
            }
            for use in rate.uses
        ],
    }


def at_most(plan: Plan) -> float:
    """Return the invocations that may run at the same moment: each shard's two readers, and archive."""
    return 2 * plan.shards + plan.concurrency["archive"]
