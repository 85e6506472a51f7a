"""The compiled form of a pipeline: an evaluator and, where possible, a delta cache for each collection."""

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tailrace.aggregation.delta_cache import DeltaCache, delta_cache_for
from tailrace.aggregation.evaluator import Evaluator
from tailrace.definition.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Plan:
    """What the fold needs of a pipeline, by collection name.

    Attributes:
        evaluators: one per collection.
        delta_caches: one per collection whose definition allows it.
    """

    evaluators: Mapping[str, Evaluator]
    delta_caches: Mapping[str, DeltaCache]


PLANS: "WeakKeyDictionary[Pipeline, Plan]" = WeakKeyDictionary()
"""The plans compiled in this process; a benchmark removes its pipeline's plan to measure a cold process."""


def plan_of(pipeline: Pipeline) -> Plan:
    """Return the plan of a pipeline, compiling it on the first call."""
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
