"""Tailrace: exact aggregates, routes and an archive from every change to a DynamoDB table.

A pipeline definition imports everything it needs from here.
"""

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.durations import days, hours, minutes, seconds
from tailrace.definition.groups.buckets import day, hour, minute, month, quarter, second, week, year
from tailrace.definition.groups.group import field
from tailrace.definition.groups.hops import hop
from tailrace.definition.measures.linear import count, count_items, mean, total, variance
from tailrace.definition.measures.order import distinct, maximum, minimum, quantile, top
from tailrace.definition.measures.ranked import first, largest, last, smallest
from tailrace.definition.measures.ratios import ratio
from tailrace.definition.pipeline import Pipeline, Route
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
    "hop",
    "hour",
    "hours",
    "largest",
    "last",
    "maximum",
    "mean",
    "minimum",
    "minute",
    "minutes",
    "month",
    "quantile",
    "quarter",
    "ratio",
    "second",
    "seconds",
    "smallest",
    "top",
    "total",
    "variance",
    "week",
    "year",
]
