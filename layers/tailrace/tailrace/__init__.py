"""Tailrace: exact aggregates, routes and an archive from every change to a DynamoDB table.

A pipeline definition imports everything it needs from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tailrace.version import VERSION

if TYPE_CHECKING:
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

_MODULES = {
    "Aggregate": "tailrace.definition.aggregate",
    "Collection": "tailrace.definition.collection",
    "days": "tailrace.definition.durations",
    "hours": "tailrace.definition.durations",
    "minutes": "tailrace.definition.durations",
    "seconds": "tailrace.definition.durations",
    "day": "tailrace.definition.groups.buckets",
    "hour": "tailrace.definition.groups.buckets",
    "minute": "tailrace.definition.groups.buckets",
    "month": "tailrace.definition.groups.buckets",
    "quarter": "tailrace.definition.groups.buckets",
    "second": "tailrace.definition.groups.buckets",
    "week": "tailrace.definition.groups.buckets",
    "year": "tailrace.definition.groups.buckets",
    "field": "tailrace.definition.groups.group",
    "hop": "tailrace.definition.groups.hops",
    "count": "tailrace.definition.measures.linear",
    "count_items": "tailrace.definition.measures.linear",
    "mean": "tailrace.definition.measures.linear",
    "total": "tailrace.definition.measures.linear",
    "variance": "tailrace.definition.measures.linear",
    "distinct": "tailrace.definition.measures.order",
    "maximum": "tailrace.definition.measures.order",
    "minimum": "tailrace.definition.measures.order",
    "quantile": "tailrace.definition.measures.order",
    "top": "tailrace.definition.measures.order",
    "first": "tailrace.definition.measures.ranked",
    "largest": "tailrace.definition.measures.ranked",
    "last": "tailrace.definition.measures.ranked",
    "smallest": "tailrace.definition.measures.ranked",
    "ratio": "tailrace.definition.measures.ratios",
    "Pipeline": "tailrace.definition.pipeline",
    "Route": "tailrace.definition.pipeline",
    "DefinitionError": "tailrace.errors",
}
"""Where each name is defined. It is imported when a definition asks for it: functions without one start sooner."""


def __getattr__(name: str) -> Any:
    """Import a name on its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found


def __dir__() -> list[str]:
    """Return the names that a definition can import."""
    return sorted({*globals(), *__all__})
