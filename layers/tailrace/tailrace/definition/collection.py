"""Collections: a kind of item, with its schema and transform."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Context, Decimal, localcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from tailrace.definition.failures import FAILURES, describe_failure
from tailrace.definition.fields.arguments import check_display_metadata, check_field, check_function
from tailrace.definition.fields.paths import field_path, source_of
from tailrace.definition.item_fields import DOTTED, INTO_A_MAP, ItemFields, check_fields, check_id_columns
from tailrace.definition.item_keys import PLAIN_TTL, CollectionKey
from tailrace.definition.json_schema.paths import Path as FieldSteps
from tailrace.definition.lifetimes import Lifetime, lifetime
from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item, deep_copy
from tailrace.encoding.keys import COLLECTION_NAME
from tailrace.encoding.numbers import normalise
from tailrace.encoding.tagged_json import unique_members
from tailrace.errors import DefinitionError, InvalidItem, InvalidMessage, Violation

_TRANSFORM_CONTEXT = Context(prec=28)
"""The decimal context of transforms, wherever they run: Python's default, which leaves 10 of 38 digits for sums."""

_TEXT, _TIME = frozenset(["string"]), frozenset(["string", "number"])


def check_name(what: str, name: object) -> None:
    """Check that a name can be part of keys and resource names.

    Raises:
        DefinitionError: it cannot; the message states the rule.
    """
    if not isinstance(name, str) or not COLLECTION_NAME.fullmatch(name):
        raise DefinitionError(
            f"invalid {what} name {name!r}: use 1 to 48 lowercase letters, digits, '_' or '-', starting with a letter"
        )


@dataclass(frozen=True, eq=False)
class Collection:
    """A kind of item.

    Attributes:
        name: the first part of every key: ``<name>#<id>``.
        schema: a JSON Schema 2020-12: a mapping, or a file path relative to the module that defines the collection.
        transform: a pure function from the valid item to the item that routes, archive and aggregates see. It
            receives a copy, which it may modify. It must depend only on the item: the engine calls it again for
            the old version of an item to retract what that version contributed.
        on_expiry: the effect of a TTL deletion on the aggregates: ``retract``, as for any deletion, or ``keep``.
        key: the templates of the items' keys in an existing table, by attribute, the partition key first. Their
            placeholders are fields of the item. See :mod:`tailrace.encoding.key_templates`.
        match: attributes that the collection's items have in an existing table, with their values.
        ttl: the name of the table's TTL attribute, the same for all collections.
        id_from: the fields, joined with ``/``, that make the id of a message or of a file's line that has none; or
            ``"*"``: a digest of the whole content. The same content always makes the same id.
        keep, keep_from: how long an item is kept after the time in its field ``keep_from``, such as ``days(30)`` and
            ``"placed"``. API, queue and files give each item the ``expires_at`` that this makes, unless it has one.
            Numbers since 1970 are in ``keep_unit``: ``s``, ``ms``, ``us`` or ``ns``; times without an offset are local
            in ``keep_tz``.
        received: the field that API, queue and files fill with the time at which an item comes in, in RFC 3339, unless
            the item has a value.
        description: a sentence for readers.
        examples: valid items, without ``pk``, in addition to the schema's own ``examples``. ``make check`` tries the
            transform, groups, measures, predicates and routes on them; a deployment does not.

    Example:
        >>> from tailrace import Collection
        >>> def in_celsius(reading):
        ...     reading["celsius"] = (reading.pop("fahrenheit") - 32) * 5 // 9
        ...     return reading
        >>> readings = Collection(
        ...     "readings",
        ...     schema={"type": "object", "required": ["fahrenheit"]},
        ...     transform=in_celsius,
        ... )
        >>> readings.prepare({"sensor": "a", "fahrenheit": 68})
        {'sensor': 'a', 'celsius': 20}
    """

    name: str
    schema: Mapping[str, Any] | str | Path
    transform: Callable[[Item], Item] | None = None
    on_expiry: Literal["retract", "keep"] = "retract"
    description: str | None = None
    id_from: str | Sequence[str] = ()
    key: Mapping[str, Any] | None = None
    match: Mapping[str, Any] | None = None
    ttl: str = PLAIN_TTL
    keys: CollectionKey = field(init=False, repr=False)
    examples: Sequence[Mapping[str, Any]] = ()
    keep: timedelta | None = None
    keep_from: str | None = None
    keep_unit: str = "s"
    keep_tz: str = "UTC"
    received: str | None = None
    lifetime: Lifetime | None = field(init=False, repr=False)
    compiled: Schema = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_name("collection", self.name)
        if self.on_expiry not in ("retract", "keep"):
            text = f"on_expiry= must be 'retract' or 'keep', not {self.on_expiry!r}"
            raise DefinitionError(f"collection {self.name!r}: {text}")
        check_display_metadata(f"collection {self.name!r}", description=self.description)
        if self.transform is not None and not callable(self.transform):
            raise DefinitionError(f"collection {self.name!r}: transform= must be a function, not {self.transform!r}")
        if self.transform is not None:
            check_function(f"collection {self.name!r}: transform=", self.transform)
        document, source = self.schema, "schema="
        if isinstance(document, str | Path):
            source = f"the schema {Path(document).name!r}"
            caller = sys._getframe(2).f_globals.get("__file__", "")  # noqa: SLF001 - the defining module
            document = _read_schema(self.name, Path(caller).parent / document)
        if not isinstance(document, Mapping):
            text = f"schema= must be a dict or a file path, not a {type(document).__name__}"
            raise DefinitionError(f"collection {self.name!r}: {text}")
        object.__setattr__(self, "compiled", _compiled(self.name, source, document))
        _check_examples(self)
        object.__setattr__(self, "keys", CollectionKey(self.name, self.key, self.match, self.ttl))
        text = f"collection {self.name!r}"
        object.__setattr__(self, "lifetime", lifetime(text, self.keep, self.keep_from, self.keep_unit, self.keep_tz))
        check_fields(self.keys, self.compiled)
        _check_arrivals(self)
        check_id_columns(self.keys, self.compiled, self.id_from)

    @cached_property
    def fields(self) -> ItemFields:
        """What is known of its items' fields."""
        return ItemFields(self.keys, self.compiled.paths)

    @property
    def id_columns(self) -> Sequence[str]:
        """The fields that make the id of a line without one, by default those in the key; ``*`` is the whole line."""
        return (self.id_from,) if isinstance(self.id_from, str) else tuple(self.id_from or self.keys.fields)

    @property
    def received_field(self) -> str | None:
        """The name of the field that :attr:`received` gives as a path."""
        return None if self.received is None else field_path(self.received).name

    @property
    def all_examples(self) -> Sequence[Any]:
        """The examples of the definition, and those of the schema."""
        return (*self.examples, *self.schema_examples)

    @property
    def schema_examples(self) -> Sequence[Any]:
        """The examples of the schema alone."""
        return self.compiled.document.get("examples", ())  # type: ignore[no-any-return]

    def prepare(self, item: Item, *, keep: bool = True) -> Item:
        """Validate and transform an item (fields only, without ``pk`` and ``expires_at``).

        The transform gets a copy, because the original is stored or reported; itself if ``keep`` is false.

        Raises:
            InvalidItem: with every schema violation, or with the error that the transform raised.
        """
        if not self.compiled.is_valid(item):
            raise InvalidItem(partial(self.compiled.violations, item))
        if self.transform is None:
            return item
        try:
            with localcontext(_TRANSFORM_CONTEXT):
                transformed = normalise(self.transform(deep_copy(item) if keep else item))
        except FAILURES as error:  # any error of the user's function makes this item invalid, nothing else
            text = describe_failure(error, self.transform)
            raise InvalidItem([Violation("", "transform", text)]) from error
        if not isinstance(transformed, dict):
            kind = type(transformed).__name__
            text = f"the transform {getattr(self.transform, '__name__', '')} returned a {kind}, not a dict"
            raise InvalidItem([Violation("", "transform", text)])
        return transformed


def _check_examples(collection: Collection) -> None:
    for what, examples in (("examples=", collection.examples), ("the schema's examples", collection.schema_examples)):
        if not isinstance(examples, Sequence) or not all(isinstance(one, Mapping) for one in examples):
            text = f"{what} must be a list of items, each a dict of its fields, not {examples!r:.60}"
            raise DefinitionError(f"collection {collection.name!r}: {text}")


def _check_arrivals(collection: Collection) -> None:
    context, keys = f"collection {collection.name!r}", collection.keys
    if collection.received is not None:
        check_field(f"{context}: received=", collection.received)
        steps = field_path(collection.received).steps
        if len(steps) > 1:
            text = f"{INTO_A_MAP}, and the stamp is a field of the item itself"
            raise DefinitionError(f"{context}: received=: {text}; {DOTTED} {source_of([collection.received])!r}")
        _check_type(context, collection, "received", steps, _TEXT)
    if collection.received_field in {*keys.fields, *keys.match}:
        raise DefinitionError(f"{context}: received= cannot be {collection.received!r}, which is in the key or match=")
    if collection.lifetime is not None:
        path = collection.lifetime.path.steps
        meant = collection.fields.misread(path)
        if meant is not None:
            raise DefinitionError(f"{context}: keep_from=: {meant}")
        _check_type(context, collection, "keep_from", path, _TIME)
        texts = collection.fields.why_no_time(path)
        if texts is not None:
            raise DefinitionError(f"{context}: keep_from= needs a time, but {collection.keep_from!r} is {texts}")


def _check_type(context: str, collection: Collection, argument: str, path: FieldSteps, types: frozenset[str]) -> None:
    if path[0] in collection.keys.reserved:
        raise DefinitionError(f"{context}: {argument}=: {collection.keys.reserved_text(str(path[0]))}")
    if not collection.fields.types(path) & types:
        kinds = " or ".join(f"a {kind}" for kind in sorted(types))
        text = ".".join(map(str, path))
        source = collection.fields.source_of(path)
        raise DefinitionError(f"{context}: {argument}= names {text!r}, which must be {kinds} in the {source}")


def _compiled(collection: str, source: str, document: Mapping[str, Any]) -> Schema:
    try:
        return Schema(document)
    except DefinitionError as error:
        raise DefinitionError(f"collection {collection!r}: {source}: {error}") from error


def _read_schema(collection: str, path: Path) -> Mapping[str, Any]:
    try:
        # Decimal, so that "multipleOf": 0.01 compares exactly with the items' numbers
        text = path.read_text(encoding="utf-8")
        document = json.loads(text, parse_float=Decimal, object_pairs_hook=unique_members)
    except OSError as error:
        raise DefinitionError(f"collection {collection!r}: cannot read the schema {path.name!r}: {error}") from error
    except (ValueError, InvalidMessage) as error:
        raise DefinitionError(f"collection {collection!r}: the schema {path.name!r} is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise DefinitionError(f"collection {collection!r}: the schema {path.name!r} is not a JSON object")
    return document
