"""A definition compiled once: what works out the contributions of each collection's items, and the caches beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tailrace.aggregation.contributions import Evaluator
from tailrace.aggregation.delta_cache import DeltaCache, delta_cache_for
from tailrace.definition.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Plan:
    """What the fold needs of a pipeline, by the names of its collections.

    Attributes:
        evaluators: one for each collection.
        delta_caches: one for each collection whose definition allows it.
    """

    evaluators: Mapping[str, Evaluator]
    delta_caches: Mapping[str, DeltaCache]


PLANS: "WeakKeyDictionary[Pipeline, Plan]" = WeakKeyDictionary()
"""The plan of each pipeline that this process has compiled; whoever measures a fresh process takes its plan out."""


def plan_of(pipeline: Pipeline) -> Plan:
    """Return the plan of a pipeline, compiled at the first call."""
    plan = PLANS.get(pipeline)
    if plan is None:
        plan = PLANS[pipeline] = _compile(pipeline)
    return plan


def _compile(pipeline: Pipeline) -> Plan:
    evaluators = {
        collection.name: Evaluator(
            collection, [aggregate for aggregate in pipeline.aggregates if aggregate.of is collection]
        )
        for collection in pipeline.collections
    }
    found = {name: delta_cache_for(evaluator) for name, evaluator in evaluators.items()}
    return Plan(evaluators, {name: delta_cache for name, delta_cache in found.items() if delta_cache is not None})
