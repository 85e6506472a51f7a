"""Tailrace: exact aggregates, routes and an archive from every change of a DynamoDB table.

Everything that a pipeline's definition needs is imported from here.
"""

from tailrace.aggregate import Aggregate
from tailrace.collection import Collection
from tailrace.definitions import Pipeline, Route, days, hours
from tailrace.errors import DefinitionError
from tailrace.keys import day, field, hour, minute, month, week
from tailrace.measures import count, mean, total, variance
from tailrace.order_measures import distinct, first, last, maximum, minimum, quantile, top

__all__ = [
    "Aggregate",
    "Collection",
    "DefinitionError",
    "Pipeline",
    "Route",
    "count",
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
