"""Type aliases for JSON, items and rows."""

from collections.abc import Mapping
from copy import deepcopy
from decimal import Decimal
from types import NoneType
from typing import Any

_IMMUTABLE = frozenset([str, int, Decimal, bool, NoneType, bytes])

type Json = dict[str, Any]
"""A JSON object, including DynamoDB JSON and boto3 requests."""

type Item = dict[str, Any]
"""An item's fields; integral numbers are int, others Decimal."""

type Row = Mapping[str, Any]
"""A table row as read; read-only."""


def deep_copy(value: Any) -> Any:
    """Return a copy of an item or a part of one, mutable at any depth; several times as fast as the library's."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind is dict:
        return {name: inner if type(inner) in _IMMUTABLE else deep_copy(inner) for name, inner in value.items()}
    if kind is list:
        return [inner if type(inner) in _IMMUTABLE else deep_copy(inner) for inner in value]
    return set(value) if kind is set else deepcopy(value)
