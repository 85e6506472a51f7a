"""A definition compiled once: what works out the contributions of each collection's items, and the caches beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tailrace.aggregation.contributions import Appraiser
from tailrace.aggregation.delta_cache import Shortcut, shortcut_of
from tailrace.definition.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Plan:
    """What the fold needs of a pipeline, by the names of its collections.

    Attributes:
        appraisers: one for each collection.
        shortcuts: one for each collection whose definition allows it.
    """

    appraisers: Mapping[str, Appraiser]
    shortcuts: Mapping[str, Shortcut]


PLANS: "WeakKeyDictionary[Pipeline, Plan]" = WeakKeyDictionary()
"""The plan of each pipeline that this process has compiled; whoever measures a fresh process takes its plan out."""


def plan_of(pipeline: Pipeline) -> Plan:
    """Return the plan of a pipeline, compiled at the first call."""
    plan = PLANS.get(pipeline)
    if plan is None:
        plan = PLANS[pipeline] = _compiled(pipeline)
    return plan


def _compiled(pipeline: Pipeline) -> Plan:
    appraisers = {
        collection.name: Appraiser(collection, [one for one in pipeline.aggregates if one.of is collection])
        for collection in pipeline.collections
    }
    found = {name: shortcut_of(appraiser) for name, appraiser in appraisers.items()}
    return Plan(appraisers, {name: shortcut for name, shortcut in found.items() if shortcut is not None})
