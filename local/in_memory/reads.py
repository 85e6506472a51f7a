"""Query and Scan: the rows that satisfy a key condition, in pages.

Rules: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html. A limit counts rows before the
filter. A page that ends at its limit has a LastEvaluatedKey, even if no rows follow.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from local.in_memory import errors
from local.in_memory.expressions import Scope
from local.in_memory.names import checked_name
from local.in_memory.parser import parse_condition
from local.in_memory.requests import (
    check_condition,
    check_filter,
    check_key_condition,
    check_placeholders,
    scope_of,
)
from local.in_memory.values import Row

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
    scope = _checked_scope(key_names, request)
    backwards = not request.get("ScanIndexForward", True)
    wanted, candidates = (_holds(request.get(name), scope) for name in ("KeyConditionExpression", "FilterExpression"))
    found = sorted((row for row in rows if wanted(row)), key=lambda row: _order(row, key_names), reverse=backwards)
    start = request.get("ExclusiveStartKey")
    if start is not None:
        _check_start(start, key_names, wanted)
        edge = _order(start, key_names)
        found = [
            row for row in found if (_order(row, key_names) < edge if backwards else _order(row, key_names) > edge)
        ]
    limit = request.get("Limit", len(found) + 1)
    if limit < 1:
        raise errors.invalid("Limit must be greater than or equal to 1")
    seen = found[:limit]
    items = [projected(row, request.get("ProjectionExpression"), scope.names) for row in seen if candidates(row)]
    response: Json = {"Items": items, "Count": len(items), "ScannedCount": len(seen)}
    if len(seen) == limit:
        response["LastEvaluatedKey"] = {name: seen[-1][name] for name in key_names}
    return response


def _checked_scope(key_names: tuple[str, ...], request: Mapping[str, Any]) -> Scope:
    scope = scope_of(None, request)
    condition, chosen = request.get("KeyConditionExpression"), request.get("FilterExpression")
    check_placeholders(scope, (condition, chosen, request.get("ProjectionExpression")))
    check_condition(condition, scope)
    check_condition(chosen, scope)
    if condition is not None:
        check_key_condition(condition, scope, key_names)
        check_filter(chosen, scope, key_names)
    return scope


def _check_start(start: Row, key_names: tuple[str, ...], wanted: Callable[[Row], bool]) -> None:
    if start.keys() != set(key_names) or any(not start[name].get("S") for name in key_names):
        raise errors.invalid("The provided starting key is invalid")
    if not wanted(start):
        raise errors.invalid("The provided starting key does not match the range key predicate")


def _holds(text: str | None, scope: Scope) -> Callable[[Row], bool]:
    if text is None:
        return lambda _row: True
    holds = parse_condition(text).holds
    return lambda row: holds(Scope(row, scope.names, scope.values))


def _order(row: Mapping[str, Any], key_names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple([row[name]["S"].encode() for name in key_names])


def projected(row: Row, expression: str | None, names: Mapping[str, str]) -> Row:
    """Return the attributes that a projection names, or all attributes if there is no projection."""
    if expression is None:
        return dict(row)
    scope = Scope(row, names, {})
    wanted = [scope.name(token) for token in _projection(expression)]
    if len(set(wanted)) < len(wanted):
        raise errors.invalid("Invalid ProjectionExpression: Two document paths overlap with each other")
    return {name: value for name, value in row.items() if name in wanted}


@lru_cache(maxsize=4096)
def _projection(expression: str) -> tuple[str, ...]:
    tokens = [token.strip() for token in expression.split(",")]
    if any("." in token or "[" in token for token in tokens):
        raise errors.Unsupported(f"the projection {expression!r}")
    return tuple([checked_name(token) for token in tokens])
