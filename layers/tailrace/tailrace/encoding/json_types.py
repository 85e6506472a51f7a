"""Type aliases for JSON, items and rows."""

from collections.abc import Mapping
from typing import Any

type Json = dict[str, Any]
"""A JSON object, including DynamoDB JSON and boto3 requests."""

type Item = dict[str, Any]
"""An item's fields; integral numbers are int, others Decimal."""

type Row = Mapping[str, Any]
"""A table row as read; read-only."""
