"""Tailrace: exact aggregates, routes and an archive from every change to a DynamoDB table.

A pipeline definition imports everything it needs from here.
"""

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.groups.buckets import day, hour, minute, month, week
from tailrace.definition.groups.group import field
from tailrace.definition.measures.linear import count, count_items, mean, total, variance
from tailrace.definition.measures.order import distinct, first, last, maximum, minimum, quantile, top
from tailrace.definition.pipeline import Pipeline, Route, days, hours
from tailrace.errors import DefinitionError
from tailrace.version import VERSION

__version__ = VERSION

__all__ = [
    "Aggregate",
    "Collection",
    "DefinitionError",
    "Pipeline",
    "Route",
    "count",
    "count_items",
    "day",
    "days",
    "distinct",
    "field",
    "first",
    "hour",
    "hours",
    "last",
    "maximum",
    "mean",
    "minimum",
    "minute",
    "month",
    "quantile",
    "top",
    "total",
    "variance",
    "week",
]
