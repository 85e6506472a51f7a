"""Optimistic concurrency for items: conditions that no other writer has changed a row; built here, sent elsewhere.

Every field of the row, and its expiry, must still have the value that was read, so writers with a plain SDK need no
version attribute. A field that was added since is detected by its name if the schema names it; any field that the
engine has added, by the digest in each row that it writes (:data:`tailrace.encoding.dynamodb.DIGEST`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from tailrace.definition.item_keys import CollectionKey
from tailrace.encoding.dynamodb import encode_value
from tailrace.encoding.json_types import Row
from tailrace.errors import InvalidItem, Violation

# An expression holds 4 KB and 300 operators, and each compared field takes two (= and AND):
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MAX_EXPRESSION_BYTES = 4096
MAX_COMPARED_FIELDS = 140
OF_ANOTHER = "an item of another collection has this key"
MAX_LISTED_FIELDS = 100
"""Fields whose absence one condition can require, in addition to those that it compares."""


class Condition(Struct, frozen=True):
    """A condition on a row, as the parameters of a request."""

    expression: str
    names: dict[str, str]
    values: dict[str, Any]

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without empty ones, which DynamoDB rejects."""
        names = {"ExpressionAttributeNames": self.names} if self.names else {}
        values = {"ExpressionAttributeValues": self.values} if self.values else {}
        return {"ConditionExpression": self.expression} | names | values


def existence(attribute: str, *, exists: bool) -> Condition:
    """Return the condition that the row exists, or that it does not; ``attribute`` is the partition key."""
    return Condition("attribute_exists(#k)" if exists else "attribute_not_exists(#k)", {"#k": attribute}, {})


def not_of_another(keys: CollectionKey) -> Condition | None:
    """Return the condition that a row does not exist, or is an item of this collection; None if its key says that.

    Items of collections whose keys are alike differ only in the attributes of ``match=``.
    """
    if not keys.match:
        return None
    names = {f"#m{index}": name for index, name in enumerate(keys.match)}
    values = {f":m{index}": encode_value(value) for index, value in enumerate(keys.match.values())}
    same = " AND ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    return Condition(f"attribute_not_exists(#k) OR ({same})", {"#k": keys.hash_attribute} | names, values)


def unchanged_since(row: Row | None, absent: Collection[str], keys: CollectionKey) -> Condition:
    """Return the condition that a row (in DynamoDB's JSON) is as it was read, and lacks the ``absent`` attributes.

    Raises:
        InvalidItem: the row has more fields than one condition can compare.
    """
    if row is None:
        return existence(keys.hash_attribute, exists=False)
    compared = {f"#o{index}": name for index, name in enumerate(row) if name not in keys.attributes}
    missing = {f"#a{index}": name for index, name in enumerate(sorted(set(absent) - row.keys()))}
    parts = [f"{placeholder}=:{placeholder[1:]}" for placeholder in compared]
    parts += [f"attribute_not_exists({placeholder})" for placeholder in missing]
    text = " AND ".join(["attribute_exists(#k)", *parts])
    field_count = len((row.keys() | set(absent)) - {*keys.reserved, *keys.attributes})
    if field_count > MAX_COMPARED_FIELDS or len(text) > _MAX_EXPRESSION_BYTES:
        limit = f"more than {MAX_COMPARED_FIELDS} fields, or 115 new ones, cannot be compared"
        raise InvalidItem([Violation("", "fields", f"{limit}: put the whole item without conditions")])
    return Condition(
        text,
        compared | missing | {"#k": keys.hash_attribute},
        {f":{placeholder[1:]}": row[name] for placeholder, name in compared.items()},
    )


def update_parameters(before: Row, after: Row) -> dict[str, Any]:
    """Return the parameters of an UpdateItem that turns one row into the other; empty if they are equal.

    Rows are compared in DynamoDB's JSON, because in Python ``True`` equals 1.
    """
    changed = {f"#n{index}": name for index, name in enumerate(after) if after[name] != before.get(name)}
    removed = {f"#r{index}": name for index, name in enumerate(before) if name not in after}
    if not changed and not removed:
        return {}
    sets = [f"{placeholder}=:{placeholder[1:]}" for placeholder in changed]
    values = {f":{placeholder[1:]}": after[name] for placeholder, name in changed.items()}
    return {
        "UpdateExpression": _clause("SET", sets) + _clause("REMOVE", list(removed)),
        "ExpressionAttributeNames": changed | removed,
    } | ({"ExpressionAttributeValues": values} if values else {})


def merge_parameters(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the parameters of a request's parts, with the names and values of all of them."""
    merged: dict[str, Any] = {}
    for part in parts:
        for parameter, value in part.items():
            merged[parameter] = merged[parameter] | value if parameter in merged else value
    return merged


def _clause(keyword: str, parts: Sequence[str]) -> str:
    return f"{keyword} {', '.join(parts)} " if parts else ""
