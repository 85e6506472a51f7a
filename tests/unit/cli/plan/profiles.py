"""Profiles and figures with round numbers, whose results can be computed by hand."""

from copy import replace
from typing import Any

from hypothesis import strategies as st

from cli.plan.model import Load, Plan
from cli.plan.profile import SIZES, HotRow, Profile, RowClass
from cli.plan.sources import Figures

FIGURES = Figures(aggregate_s=50e-6, row_s=100e-6, fanout_s=80e-6, archive_s=20e-6)
SHOPS = RowClass("shops", "row", 1)

# 10,000 changes; a batch of any size touches a tenth as many rows as it has changes, of a single item each
PROFILE = Profile(
    changes=10_000,
    batches=[10_000 // size for size in SIZES],
    touched={SHOPS: [1_000] * len(SIZES)},
    row_bytes={("shops", "row"): 300},
    life_s={"shops": 3_600},
    lanes={"shops": 1},
    linear=frozenset(["shops"]),
    item_units=1,
    record_bytes=1_000,
    event_bytes=512,
    growth=0,
)
BUSY_ROWS = {SHOPS: [10_000, 10_000, 1_000, 500, 200, 100, 50, 20, 10]}
"""Ten rows: every batch writes them all."""

RATES = st.floats(4_000, 1e7)


def plan(rate: float, *, window_s: float = 1, shards: int | None = None, **changed: Any) -> Plan:
    return Plan(replace(PROFILE, **changed), FIGURES, Load(rate, window_s, shards))


def hot(share: float, items: int) -> HotRow:
    return HotRow("shops", "row", "shops@1#north -", share, items)


def carrying(found: Plan, seconds: float) -> Plan:
    return replace(found, load=replace(found.load, write_behind_s=seconds))
