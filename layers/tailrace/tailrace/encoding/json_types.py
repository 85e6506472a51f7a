"""Types of JSON and of items, for annotations."""

from collections.abc import Mapping
from typing import Any

type Json = dict[str, Any]
"""A JSON object; DynamoDB's JSON and requests to boto3 included."""

type Item = dict[str, Any]
"""An item's fields: integral numbers as int, others as Decimal."""

type Row = Mapping[str, Any]
"""A row of a table as it was read: not to be changed."""
