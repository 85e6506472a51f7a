"""The meaning of a generation: everything that decides what an item is worth to it, as one fingerprint.

Two definitions with the same fingerprint add and take back the same numbers in the same rows. The fingerprint covers
the collection (schema, transform, ``on_expiry``), the aggregate (groups, measures, ``where``, ``keep``, ``listed``,
``lanes``), the rules of its time zones, the source of every function in these, and whatever the functions refer to
within their own package. It does not cover names and descriptions for readers, comments, docstrings and formatting, nor
libraries: whoever upgrades one that a transform calls has to raise the version.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tailrace.backfill.fingerprints.sources import describe_function
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.fields.paths import field_path
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import FieldGroup, Group
from tailrace.definition.groups.hops import HopGroup
from tailrace.definition.item_keys import PLAIN_TTL
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.value_rows import ValueSelection
from tailrace.definition.times.zones import time_zone, zone_rules
from tailrace.encoding.tagged_json import canonical_json

_CHARACTERS = 32
_SCHEMAS_BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_VALUES = {"const", "default", "dependentRequired", "enum", "required", "type"}
_ANNOTATIONS = {"$comment", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"}


def fingerprint(aggregate: Aggregate) -> str:
    """Return the fingerprint of an aggregate's meaning, including its collection's.

    Raises:
        DefinitionError: the source of a function cannot be read.
    """
    return _digest([_collection(aggregate.of), _aggregate(aggregate)])


def stored_form(aggregate: Aggregate) -> str:
    """Return what distinguishes an aggregate's stored rows from those that earlier releases made of the same meaning.

    It belongs to the fingerprint in control rows and not to the lock: nobody can accept rows of another form as the
    same. Empty for rows whose form has not changed.
    """
    has_nodes = any(kind.nodes for kind in aggregate.value_rows)
    return ("+counted-values" if aggregate.counted else "") + ("+nodes" if has_nodes else "")


def collection_fingerprint(collection: Collection) -> str:
    """Return the fingerprint of a collection's meaning.

    Raises:
        DefinitionError: the source of its transform cannot be read.
    """
    return _digest(_collection(collection))


def _digest(described: Any) -> str:
    return hashlib.sha256(canonical_json(described).encode()).hexdigest()[:_CHARACTERS]


def _collection(collection: Collection) -> Mapping[str, Any]:
    parts = {
        "name": collection.name,
        "schema": _schema(collection.compiled.document),
        "transform": _function(collection.transform),
        "on_expiry": collection.on_expiry,
    }
    recognised = {
        "key": None if collection.key is None else [[name, _value(part)] for name, part in collection.key.items()],
        "match": [[name, _value(collection.keys.match[name])] for name in sorted(collection.keys.match)] or None,
        "ttl": None if collection.ttl == PLAIN_TTL else collection.ttl,
    }
    return parts | {name: value for name, value in recognised.items() if value is not None}


def _value(value: Any) -> Sequence[Any]:
    return [type(value).__name__, value]


def _aggregate(aggregate: Aggregate) -> Mapping[str, Any]:
    return {
        "name": aggregate.name,
        "version": aggregate.version,
        "by": [_group(group) for group in aggregate.by],
        "measures": [[name, _measure(measure)] for name, measure in sorted(aggregate.stored_measures.items())],
        "where": _function(aggregate.where),
        "keep": None if aggregate.keep is None else aggregate.keep.total_seconds(),
        "listed": aggregate.listed,
        "lanes": aggregate.lanes,
    } | ({} if aggregate.each is None else {"each": _path(aggregate.each)})


def _group(group: Group) -> Sequence[Any]:
    if isinstance(group, BucketGroup):
        described = ["bucket", _path(group.source), group.name, group.unit, _zone(group.zone)]
        if isinstance(group, HopGroup):
            return ["hop", *described, group.size, group.epoch_unit, group.windows]
        return described if (group.size, group.epoch_unit) == (1, "s") else [*described, group.size, group.epoch_unit]
    if isinstance(group, FieldGroup):
        return ["field", _path(group.source), group.name]
    return [_path(group.source), group.name, describe_function(group)]


def _path(source: str | None) -> Any:
    """Return a field's name; for a nested field, its steps, which differ from a name that holds dots."""
    if source is None:
        return None
    steps = field_path(source).steps
    return steps[0] if len(steps) == 1 else list(steps)


def _zone(zone: tzinfo) -> Any:
    if isinstance(zone, ZoneInfo):
        return [str(zone), zone_rules(str(zone))]
    return str(zone) if isinstance(zone, timezone) else describe_function(zone)


def _schema(schema: Any) -> Any:
    """Return a schema without what describes it for readers."""
    if isinstance(schema, list | tuple):
        return [_schema(inner) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    parts: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
            parts[keyword] = {name: _schema(inner) for name, inner in value.items()}
        elif keyword in _VALUES:
            parts[keyword] = value
        elif keyword not in _ANNOTATIONS:
            parts[keyword] = _schema(value)
    return parts


def _measure(measure: Measure | OrderMeasure) -> Sequence[Any]:
    if isinstance(measure, Measure):
        columns = [[_path(one.source), one.power, _function(one.where)] for one in measure.columns]
        return [measure.kind, columns, list(measure.suffixes)]
    return [measure.kind, _selection(measure.values), str(measure.fraction), measure.most]


def _selection(values: ValueSelection) -> Sequence[Any]:
    zone = values.tz if values.at is None else _zone(time_zone(values.tz))
    parts = [_path(values.source), _function(values.where), _path(values.at), zone, str(values.error)]
    if values.by is not None or values.show is not None:  # absent otherwise: the fingerprint of older measures stays
        parts.append([_path(values.by), [_path(shown) for shown in values.show or ()]])
    return parts if values.epoch_unit == "s" else [*parts, values.epoch_unit]


def _function(function: Callable[..., Any] | None) -> Any:
    return None if function is None else describe_function(function)
