"""The compiled form of a pipeline: an evaluator for each collection, with its caches."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from msgspec import Struct

from tailrace.aggregation.cached_evaluator import CachedEvaluator
from tailrace.aggregation.evaluator import Evaluator
from tailrace.definition.pipeline import Pipeline


class Plan(Struct, frozen=True):
    """What the fold needs of a pipeline, by collection name.

    Attributes:
        evaluators: the reference path, one per collection.
        cached: the same with caches.
    """

    evaluators: Mapping[str, Evaluator]
    cached: Mapping[str, CachedEvaluator]


PLANS: "WeakKeyDictionary[Pipeline, Plan]" = WeakKeyDictionary()
"""The plans compiled in this process; a benchmark removes its pipeline's plan to measure a cold process."""


def plan_of(pipeline: Pipeline) -> Plan:
    """Return the plan of a pipeline, compiling it on the first call."""
    plan = PLANS.get(pipeline)
    if plan is None:
        plan = PLANS[pipeline] = _compile(pipeline)
    return plan


def _compile(pipeline: Pipeline) -> Plan:
    by_collection = {
        one: [aggregate for aggregate in pipeline.aggregates if aggregate.of is one] for one in pipeline.collections
    }
    return Plan(
        {one.name: Evaluator(one, aggregates) for one, aggregates in by_collection.items()},
        {one.name: CachedEvaluator(one, aggregates) for one, aggregates in by_collection.items()},
    )
