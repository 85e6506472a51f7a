"""DynamoDB JSON: attribute values to Python values and back."""

import base64
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import number_text, parse_number
from tailrace.encoding.text import plain_text
from tailrace.errors import InvalidMessage

type Image = Mapping[str, Mapping[str, Any]]
"""An item in DynamoDB JSON, as stream records carry it."""

DIGEST = "~etag"
"""The attribute with the digest of the item as the engine wrote it; only where the schema does not list all fields."""

REPLICATION = ("aws:rep:deleting", "aws:rep:updatetime", "aws:rep:updateregion")
"""Attributes that global tables of the version 2017.11.29 add to each row:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/globaltables.V1.html"""

ENGINE_ATTRIBUTES = ("pk", "expires_at", DIGEST, *REPLICATION)
"""Attributes of an item's row that are not fields of the item; schemas and transforms never see them."""


def reserved_attributes(key: Iterable[str], ttl: str) -> Mapping[str, str]:
    """Return the attributes of rows that are not fields of items, each with what it is, for messages."""
    return (
        dict.fromkeys(key, "an attribute of the table's key")
        | {ttl: "the table's TTL attribute", DIGEST: "an attribute of the engine"}
        | dict.fromkeys(REPLICATION, "an attribute of global tables")
    )


INVALID_SET = "a set must be non-empty and contain only strings, only numbers or only binary values"


def decode_value(attribute: Mapping[str, Any]) -> Any:
    """Decode one attribute value of DynamoDB JSON (``{"N": "4"}``).

    Raises:
        InvalidMessage: the type tag is unknown, or its number cannot be parsed.
    """
    ((tag, value),) = attribute.items()
    if tag == "N":
        return parse_number(value)
    match tag:
        case "S" | "BOOL":
            return value
        case "NULL":
            return None
        case "M":
            return {name: decode_value(inner) for name, inner in value.items()}
        case "L":
            return [decode_value(inner) for inner in value]
        case "SS":
            return set(value)
        case "NS":
            return {parse_number(member) for member in value}
        case "B":
            return _decode_binary(value)
        case "BS":
            return {_decode_binary(member) for member in value}
    raise InvalidMessage(f"unknown attribute type: {tag!r}")


def decode_item(image: Image) -> Item:
    """Decode a whole item, the engine's attributes included."""
    return {name: decode_value(value) for name, value in image.items()}


def _decode_binary(value: str | bytes) -> bytes:
    # Lambda events carry base64, boto3 responses carry bytes
    return base64.b64decode(value) if isinstance(value, str) else bytes(value)


def encode_value(value: Any) -> dict[str, Any]:
    """Encode a value as an attribute value of DynamoDB JSON, in the form that boto3's low-level client accepts.

    Raises:
        InvalidMessage: DynamoDB has no type for the value (a float, an empty or mixed set, an object).
    """
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": plain_text(value)}
        case int() | Decimal():
            return {"N": number_text(value)}
        case None:
            return {"NULL": True}
        case dict():
            return {"M": {name: encode_value(inner) for name, inner in value.items()}}
        case list() | tuple():
            return {"L": [encode_value(inner) for inner in value]}
        case bytes() | bytearray():
            return {"B": bytes(value)}
        case set() | frozenset():
            return _encode_set(value)
    remedy = f"; write Decimal({str(value)!r})" if isinstance(value, float) else ""
    raise InvalidMessage(f"DynamoDB has no type for a {type(value).__name__}{remedy}")


def _encode_set(members: Iterable[Any]) -> dict[str, Any]:
    values = list(members)
    if values and all(isinstance(value, str) for value in values):
        return {"SS": sorted(map(plain_text, values))}
    if values and all(isinstance(value, int | Decimal) and not isinstance(value, bool) for value in values):
        return {"NS": [number_text(value) for value in sorted(values)]}
    if values and all(isinstance(value, bytes | bytearray) for value in values):
        return {"BS": sorted(bytes(value) for value in values)}
    raise InvalidMessage(INVALID_SET)


def encode_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Encode an item as DynamoDB JSON; the inverse of :func:`decode_item`."""
    encoded: dict[str, Any] = {}
    for name, value in item.items():
        # fast path for the two most common types
        kind = type(value)
        if kind is str:
            encoded[name] = {"S": value}
        elif kind is int:
            encoded[name] = {"N": str(value)}
        else:
            encoded[name] = encode_value(value)
    return encoded
