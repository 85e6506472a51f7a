"""The fields of a collection's items, from the schema, the key, ``match=`` and the table's own attributes.

A field in the key has the type of its attribute, one in ``match=`` a value, and the table's own attributes (those of
its key, its TTL, and the engine's) are not fields, whatever the schema says.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from tailrace.definition.fields.paths import source_of
from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.json_schema.paths import ELEMENT, NOTHING, Path, Paths
from tailrace.definition.json_schema.types import type_of
from tailrace.definition.schemas import Schema
from tailrace.definition.times.instants import is_time
from tailrace.encoding.key_templates import Kind
from tailrace.errors import DefinitionError

BINARY = "binary"
"""The type of a binary field in a key, in addition to those of JSON Schema, which sees its base64 text."""

_TYPES: Mapping[Kind, str] = {"text": "string", "number": "number", "binary": "string"}
INTO_A_MAP, DOTTED = "a dot leads into a map", "a field with a dot in its name is written"
_MAX_SHOWN = 3
_MAX_REQUIRED = 200
"""The most required fields that are examined of a schema that contains itself."""
_MAP = frozenset(["object"])
_ID_PARTS = frozenset(["string", "number", "boolean", BINARY])


class ItemFields:
    """The fields of one collection's items."""

    def __init__(self, keys: CollectionKey, paths: Paths) -> None:
        self._keys = keys
        self._paths = paths

    def types(self, path: Path) -> frozenset[str]:
        """Return the types that a value at the path may have; none if there can be no value."""
        name, found = (path[0] if path else None), self._paths.types(path)
        if name in self._keys.reserved:
            return NOTHING
        if name in self._keys.fields or name in self._keys.match:
            return self._own_types(str(name)) if len(path) == 1 and found & self._seen_types(str(name)) else NOTHING
        return found

    def is_described(self, path: Path) -> bool:
        """Tell whether anything is known of values at the path."""
        return (bool(path) and self.source_of(path) != "schema") or self._paths.is_described(path)

    def names(self, path: Path) -> frozenset[str]:
        """Return the known field names of objects at the path."""
        names = self._paths.names(path)
        return (
            names if path else frozenset({*names, *self._keys.fields, *self._keys.match} - self._keys.reserved.keys())
        )

    def why_no_time(self, path: Path) -> str | None:
        """Return what the values at a path are in words, if all of them are known texts and none is a time."""
        given = self._keys.match.get(str(path[0])) if len(path) == 1 else None
        texts = frozenset([given]) if isinstance(given, str) else self._paths.texts(path)
        if texts is None or "number" in self.types(path) or any(map(is_time, texts)):
            return None
        shown = " or ".join(map(repr, sorted(texts)[:_MAX_SHOWN])) or "nothing"
        return f"{shown}{' and the like' * (len(texts) > _MAX_SHOWN)} in the {self.source_of(path)}"

    def misread(self, path: Path) -> str | None:
        """Return what to write for a path that leads where nothing is described, but reads as a name with dots.

        ``customer.id`` is the field ``id`` within ``customer``; the field ``customer.id`` is another one.
        """
        for start in range(len(path) - 1):
            known = () if self.is_described(path[: start + 1]) else self.names(path[:start])
            for end in range(start + 2, len(path) + 1):
                name = ".".join(map(str, path[start:end]))
                if name in known:
                    steps = [*path[:start], name, *path[end:]]
                    source = source_of(str(step) for step in steps if step is not ELEMENT)
                    return f"{INTO_A_MAP}, and nothing describes one here; {DOTTED} {source!r}"
        return None

    def source_of(self, path: Path) -> str:
        """Return what determines the type at a path: the key, ``match=``, or the schema."""
        if path[0] in self._keys.fields:
            return "key"
        return "match=" if path[0] in self._keys.match else "schema"

    def _own_types(self, name: str) -> frozenset[str]:
        if self._keys.fields.get(name) == "binary":
            return frozenset([BINARY])
        return self._seen_types(name)

    def _seen_types(self, name: str) -> frozenset[str]:
        """Return the type as the schema sees it."""
        kind = self._keys.fields.get(name)
        return frozenset([type_of(self._keys.match[name]) if kind is None else _TYPES[kind]])


def check_fields(keys: CollectionKey, schema: Schema) -> None:
    """Check that schema, key and ``match=`` agree on the fields of a collection's items.

    Raises:
        DefinitionError: they do not; the message says how to fix it.
    """
    context, fields = f"collection {keys.collection!r}", ItemFields(keys, schema.paths)
    if not schema.paths.types(()):
        raise DefinitionError(f"{context}: the schema allows no object, and every item is one")
    for name in sorted({*schema.paths.names(()), *schema.required} & keys.reserved.keys()):
        if name in schema.required or schema.paths.types((name,)):
            raise DefinitionError(f"{context}: the schema has the field {name!r}, but {keys.reserved_text(name)}")
    _check_required(context, keys, schema)
    for name, kind in keys.fields.items():
        if schema.allowed_fields is not None and name not in schema.allowed_fields:
            raise DefinitionError(f"{context}: key= makes the field {name!r}, which the schema does not allow; add it")
        if not fields.types((name,)):
            given = " or ".join(sorted(schema.paths.types((name,)))) or "nothing"
            seen = "binary, which a schema sees as a string" if kind == "binary" else f"a {kind}"
            raise DefinitionError(
                f"{context}: key= makes the field {name!r} {seen}, and the schema allows {given} there"
            )
    for name, value in keys.match.items():
        reason = next(_faults(schema, name, value), None)
        if reason is not None:
            raise DefinitionError(
                f"{context}: match= gives the field {name!r} the value {value!r}, which the schema does not allow: "
                f"{reason}"
            )


def _check_required(context: str, keys: CollectionKey, schema: Schema) -> None:
    fields = ItemFields(keys, schema.paths)
    path = _impossible(fields, schema.paths, schema.required - keys.reserved.keys())
    if path is not None:
        *outer, name = path
        close = get_close_matches(name, schema.paths.names(tuple(outer)) - {name}, n=1)
        hint = f" (did you mean {source_of([*outer, close[0]])!r}?)" if close else ""
        text = f"the schema requires the field {source_of(path)!r} and allows no value there{hint}, so no item is valid"
        raise DefinitionError(f"{context}: {text}")


def _impossible(fields: ItemFields, paths: Paths, required: Iterable[str]) -> tuple[str, ...] | None:
    """Return the path of a field that every item has to have, and that can have no value; None if none is found."""
    waiting: deque[tuple[str, ...]] = deque((name,) for name in sorted(required))
    for _ in range(_MAX_REQUIRED):
        if not waiting:
            break
        path = waiting.popleft()
        types = fields.types(path)
        if not types:
            return path
        if types == _MAP:
            waiting += ((*path, name) for name in sorted(paths.required(path)))
    return None


def _faults(schema: Schema, name: str, value: Any) -> Iterator[str]:
    """Yield why the schema refuses a value of a field, whatever the other fields are."""
    if schema.allowed_fields is not None and name not in schema.allowed_fields:
        yield "it allows no such field"
    yield from schema.refusals(name, value)
    if type_of(value) not in schema.paths.types((name,)):
        yield f"it allows no {type_of(value)} there"


def check_id_columns(keys: CollectionKey, schema: Schema, id_from: str | Sequence[str]) -> None:
    """Check the fields that make the ids of lines and messages without one.

    Raises:
        DefinitionError: they cannot; the message says why.
    """
    context = f"collection {keys.collection!r}: id_from="
    if not isinstance(id_from, Sequence):  # a set has another order in every process
        raise DefinitionError(f"{context} must be the name of a field, a list of names, or '*', not {id_from!r:.60}")
    columns = (id_from,) if isinstance(id_from, str) else tuple(id_from)
    names = [name for name in columns if isinstance(name, str) and name and (name != "id" or name in keys.fields)]
    if len(names) < len(columns) or len(set(names)) < len(names) or ("*" in names and len(names) > 1):
        text = "use names of fields other than 'id', each once, or '*' alone for the whole line"
        raise DefinitionError(f"{context} cannot be {columns!r}: {text}")
    fields = ItemFields(keys, schema.paths)
    named = [name for name in names if name != "*"]
    for name in named:
        if name in keys.reserved:
            raise DefinitionError(f"{context}: {keys.reserved_text(name)}")
    unknown = [name for name in named if schema.allowed_fields is not None and name not in schema.allowed_fields]
    if unknown:
        raise DefinitionError(f"{context} names {', '.join(map(repr, unknown))}, which the schema does not allow")
    for name in named:
        if not fields.types((name,)) & _ID_PARTS:
            raise DefinitionError(f"{context} names {name!r}, which is not a text, number or boolean in the schema")
    if names and not keys.is_plain:
        _check_against_key(context, keys, names)


def _check_against_key(context: str, keys: CollectionKey, names: Sequence[str]) -> None:
    in_key = list(keys.fields)
    fits = len(names) == len(in_key) and all(
        name == field or name not in in_key for name, field in zip(names, in_key, strict=True)
    )
    if not fits or (names == ["*"] and keys.fields[in_key[0]] != "text"):
        text = f"the id consists of the key's fields, {', '.join(map(repr, in_key))}, in this order"
        raise DefinitionError(f"{context} cannot be {tuple(names)!r}: {text}; without id_from= they make it")
