"""Descriptions of aggregates for readers: groups, measures and units as JSON, without code."""

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import Group
from tailrace.definition.groups.hops import HopGroup
from tailrace.definition.measures.linear import Measure, Predicate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.ratios import AnyMeasure, Ratio
from tailrace.encoding.json_types import Json


def describe(aggregate: Aggregate) -> Json:
    """Describe an aggregate: its groups in key order, and its measures in definition order."""
    bucket = aggregate.bucket
    keep = {} if aggregate.keep is None else {"keep_s": int(aggregate.keep.total_seconds())}
    each = {} if aggregate.each is None else {"each": aggregate.each}
    return (
        {
            "name": aggregate.name,
            "version": aggregate.version,
            "collection": aggregate.of.name,
            "description": aggregate.description,
            "groups": [_group(group) for group in aggregate.by],
            "bucket": None if bucket is None else bucket.name,
            "listed": aggregate.group_list is not None,
            "measures": [_measure(name, measure, aggregate) for name, measure in aggregate.measures.items()],
        }
        | keep
        | each
    )


def _group(group: Group) -> Json:
    if isinstance(group, BucketGroup):
        size = {} if group.size == 1 else {"size": group.size}
        size |= {"windows": group.windows} if isinstance(group, HopGroup) else {}
        return {"name": group.name, "kind": group.unit} | size | {"field": group.source, "time_zone": str(group.zone)}
    return {"name": group.name, "kind": "field", "field": group.source}


def _measure(name: str, measure: AnyMeasure, aggregate: Aggregate) -> Json:
    description: Json = {"name": name, "kind": measure.kind, "unit": measure.unit, "description": measure.description}
    if measure.source is not None:
        description["field"] = measure.source
    if measure.kind == "quantile" and isinstance(measure, OrderMeasure):
        description |= {"fraction": measure.fraction}
    if isinstance(measure, OrderMeasure) and measure.most:
        description |= {"most": measure.most}
    if isinstance(measure, OrderMeasure) and measure.values.show:
        description |= {"show": list(measure.values.show)}
    if (where := _where(measure)) is not None:
        # the code itself is not for readers, but whether two measures are of the same items is
        description["where"] = 1 + [*dict.fromkeys(filter(None, map(_where, aggregate.measures.values())))].index(where)
    if name in aggregate.repeated_measures:
        description["additive"] = False
    if isinstance(measure, Ratio):
        description |= {"numerator": measure.numerator, "denominator": measure.denominator}
    return description


def _where(measure: AnyMeasure) -> Predicate | None:
    """Return the predicate that the items of a measure satisfy, if it has one."""
    if isinstance(measure, OrderMeasure):
        return measure.values.where
    return measure.columns[0].where if isinstance(measure, Measure) else None
