"""Tailrace: exact aggregates, routes and an archive from every change of a DynamoDB table.

Everything that a pipeline's definition needs is imported from here.
"""

from tailrace.definitions import Aggregate, Collection, Pipeline, Route, days, hours
from tailrace.errors import DefinitionError
from tailrace.keys import day, field, hour, minute, month, week
from tailrace.measures import count, mean, total, variance

__all__ = [
    "Aggregate",
    "Collection",
    "DefinitionError",
    "Pipeline",
    "Route",
    "count",
    "day",
    "days",
    "field",
    "hour",
    "hours",
    "mean",
    "minute",
    "month",
    "total",
    "variance",
    "week",
]
