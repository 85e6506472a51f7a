"""Query and Scan: the rows that satisfy a key condition, in pages.

Rules: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html. A limit counts rows before the
filter. A page that ends at its limit has a LastEvaluatedKey, even if no rows follow.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.in_memory import errors
from local.in_memory.expressions import Scope, parse_condition
from local.in_memory.values import Row, canonical

type Json = dict[str, Any]

_SUPPORTED_OPTIONS = {
    "TableName",
    "ConsistentRead",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ScanIndexForward",
    "ExclusiveStartKey",
    "Limit",
}
_PARTITION = re.compile(r"\s*(#?\w+)\s*=\s*(:\w+)")


def partition_of(request: Mapping[str, Any], name: str) -> str | None:
    """Return the partition that a Query names first, as a hint at the rows to read; None if it does not."""
    found = _PARTITION.match(request.get("KeyConditionExpression", ""))
    if found is None or request.get("ExpressionAttributeNames", {}).get(found[1], found[1]) != name:
        return None
    value: str | None = request.get("ExpressionAttributeValues", {}).get(found[2], {}).get("S")
    return value


def page(rows: Iterable[Row], key_names: tuple[str, ...], request: Mapping[str, Any]) -> Json:
    """Return the response to a Query, or to a Scan if the request has no key condition."""
    if not _SUPPORTED_OPTIONS.issuperset(request):
        raise errors.Unsupported(f"options {sorted(request.keys() - _SUPPORTED_OPTIONS)}")
    backwards = not request.get("ScanIndexForward", True)
    names: Mapping[str, str] = request.get("ExpressionAttributeNames", {})
    values = {name: canonical(value) for name, value in request.get("ExpressionAttributeValues", {}).items()}
    wanted = _holds(request.get("KeyConditionExpression"), names, values)
    candidates = _holds(request.get("FilterExpression"), names, values)
    found = sorted((row for row in rows if wanted(row)), key=lambda row: _order(row, key_names), reverse=backwards)
    start = request.get("ExclusiveStartKey")
    if start is not None:
        edge = _order(start, key_names)
        found = [
            row for row in found if (_order(row, key_names) < edge if backwards else _order(row, key_names) > edge)
        ]
    limit = request.get("Limit", len(found) + 1)
    seen = found[:limit]
    items = [_projected(row, request, names) for row in seen if candidates(row)]
    response: Json = {"Items": items, "Count": len(items), "ScannedCount": len(seen)}
    if len(seen) == limit:
        response["LastEvaluatedKey"] = {name: seen[-1][name] for name in key_names}
    return response


def _holds(text: str | None, names: Mapping[str, str], values: Mapping[Any, Any]) -> Callable[[Row], bool]:
    if text is None:
        return lambda _row: True
    condition = parse_condition(text)
    return lambda row: condition(Scope(row, names, values))


def _order(row: Mapping[str, Any], key_names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple([row[name]["S"].encode() for name in key_names])


def _projected(row: Row, request: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    return projected(row, request.get("ProjectionExpression"), names)


def projected(row: Row, expression: str | None, names: Mapping[str, str]) -> Row:
    """Return the attributes that a projection names, or all attributes if there is no projection."""
    if expression is None:
        return dict(row)
    scope = Scope(row, names, {})
    wanted = {scope.name(token.strip()) for token in expression.split(",")}
    return {name: value for name, value in row.items() if name in wanted}
