"""Item keys: which collection an item of a table belongs to, its id, and the fields in its key."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

from tailrace.definition.item_ids import fields_of_id, id_of
from tailrace.encoding.dynamodb import Image, decode_value, reserved_attributes
from tailrace.encoding.json_types import Item
from tailrace.encoding.key_templates import KeyTemplate, Kind, check_key
from tailrace.encoding.keys import SENTINELS, item_key, split_item_key
from tailrace.encoding.limits import check_item, reserved_violations
from tailrace.encoding.numbers import canonical_number
from tailrace.encoding.text import json_pointer, plain_text
from tailrace.errors import DefinitionError, InvalidItem, InvalidMessage, Violation

PLAIN_ATTRIBUTE, PLAIN_TTL = "pk", "expires_at"
"""The key attribute of collections without ``key=``, and the TTL attribute without ``ttl=``."""


_KINDS: Mapping[str, Kind] = {"S": "text", "N": "number", "B": "binary"}

_OTHER_VALUE = "the item's id or collection gives this field another value"


class Identity(NamedTuple):
    """What a key says about an item: its collection, its id, and the fields in the key."""

    collection: str
    id: str
    fields: Item

    @property
    def address(self) -> tuple[str, str]:
        """Collection and id."""
        return self.collection, self.id

    @property
    def key(self) -> str:
        """The item's key in the engine's own form, whatever the table's keys are: ``<collection>#<id>``."""
        return item_key(self.collection, self.id)


class CollectionKey:
    """How the items of one collection are recognized.

    Attributes:
        collection: its name.
        is_plain: whether it has no ``key=``: ``pk = "<collection>#<id>"``.
        template: the template of its keys.
        match: attributes that its items have, with their values.
        fields: the fields in its keys, with their types.
        attributes: the key attributes, with their types.
        ttl: the name of the TTL attribute.
        reserved: the attributes that are not fields of its items, each with what it is.
    """

    def __init__(self, collection: str, key: object = None, match: object = None, ttl: object = PLAIN_TTL) -> None:
        """Check and compile a collection's ``key=``, ``match=`` and ``ttl=``.

        Raises:
            DefinitionError: one is invalid; the message says how to fix it.
        """
        self.collection = collection
        self.is_plain = key is None
        try:
            self.template = KeyTemplate(
                _mapping("key", {PLAIN_ATTRIBUTE: f"{collection}#{{id+}}"} if self.is_plain else key)
            )
            self.match = {name: _matched(name, value) for name, value in _mapping("match", match or {}).items()}
        except (ValueError, InvalidMessage, InvalidItem) as error:
            raise DefinitionError(f"collection {collection!r}: {error}") from error
        # Members of an enum become the texts that the table returns: with them, an item would have another entity tag.
        self._given = self.match | {name: plain_text(one) for name, one in self.match.items() if isinstance(one, str)}
        self.fields: Mapping[str, Kind] = {} if self.is_plain else self.template.fields
        self.attributes = {name: attribute.kind for name, attribute in self.template.attributes.items()}
        if not isinstance(ttl, str) or not ttl or ttl in self.attributes:
            text = f"ttl= must be the name of an attribute that is not in the key, not {ttl!r}"
            raise DefinitionError(f"collection {collection!r}: {text}")
        self.ttl = ttl
        own = [name for name in self.attributes if name not in self.fields]
        self.reserved = reserved_attributes(own, ttl)
        for name in self.fields:
            if name in self.reserved:
                text = f"key=: {self.reserved_text(name)}: rename the placeholder"
                raise DefinitionError(f"collection {collection!r}: {text}")
        for name in self.match:
            if name in self.reserved or name in self.attributes or name in self.fields:
                in_key = f"{name!r} is in the key, which already gives it"
                problem = self.reserved_text(name) if name in self.reserved else in_key
                raise DefinitionError(f"collection {collection!r}: match=: {problem}: leave it out")

    def reserved_text(self, name: str) -> str:
        """Return what a reserved attribute is, in words."""
        return f"{name!r} is {self.reserved[name]}, not a field"

    @property
    def hash_attribute(self) -> str:
        """The name of the partition key."""
        return next(iter(self.attributes))

    def matches(self, image: Image) -> bool:
        """Tell whether a row has the attributes of ``match=``."""
        return all(
            _is_same(None if name not in image else decode_value(image[name]), value)
            for name, value in self.match.items()
        )

    def identity(self, key: Mapping[str, Any]) -> Identity | None:
        """Return the identity of an item with this key; None if it does not match.

        Raises:
            InvalidMessage: it would be that of a plain collection, except for the length of the id.
        """
        fields = self.template.parse(key)
        if fields is None:
            return None
        if self.is_plain:
            return Identity(*split_item_key(key[PLAIN_ATTRIBUTE]), {})
        return Identity(self.collection, id_of(fields), fields)

    def key_of(self, item_id: str) -> Item:
        """Return the key attributes of an item.

        Raises:
            InvalidMessage: no item of this collection can have this id.
        """
        if self.is_plain:  # what its template would make; each item that is stored needs one
            key: Item = {PLAIN_ATTRIBUTE: item_key(self.collection, item_id)}
            split_item_key(key[PLAIN_ATTRIBUTE])
            check_key(key)
            return key
        return self.template.format(fields_of_id(item_id, self.template.fields))

    def fields_of(self, item_id: str) -> Item:
        """Return the fields in an id.

        Raises:
            InvalidMessage: no item of this collection can have this id.
        """
        return {} if self.is_plain else fields_of_id(item_id, self.fields)

    def completed(self, item_id: str, fields: Item) -> Item:
        """Return an item with the fields that its id and its collection give it."""
        return self.fields_of(item_id) | self._given | fields

    def row(self, item_id: str, fields: Item) -> Item:
        """Return the attributes of an item's row, without its TTL.

        Raises:
            InvalidMessage: no item of this collection can have this id.
            InvalidItem: a field that is in the key, or an attribute of ``match=``, has another value; or a field has
                the name of one of the table's own attributes.
        """
        fixed = self.fields_of(item_id) | self.match
        other = [name for name, value in fixed.items() if name in fields and not _is_same(fields[name], value)]
        violations = [Violation(json_pointer(name), "key", _OTHER_VALUE) for name in other]
        violations += reserved_violations(fields, self.reserved)
        if violations:
            raise InvalidItem(violations)
        rest = {name: value for name, value in fields.items() if name not in self.fields}
        return self.key_of(item_id) | {name: self.match[name] for name in self.match if name not in rest} | rest


class ItemKeys:
    """The keys of all collections of one table.

    Attributes:
        collections: by name.
        attributes: the table's key attributes with their types, the partition key first.
        hidden: the attributes that are not fields.
        strict: whether an item that no collection matches goes to quarantine.
        ttl: the name of the TTL attribute.
    """

    def __init__(self, collections: Sequence[CollectionKey], *, strict: bool) -> None:
        """Put together the keys of the collections of one table.

        Raises:
            DefinitionError: their attributes differ, or one key matches two of them.
        """
        self.strict = strict
        self.ttl = collections[0].ttl if collections else PLAIN_TTL
        self.collections = {one.collection: one for one in collections}
        self.attributes: Mapping[str, Kind] = collections[0].attributes if collections else {PLAIN_ATTRIBUTE: "text"}
        self._may_hold_sentinels = self.attributes == {PLAIN_ATTRIBUTE: "text"}
        self.hidden = frozenset(reserved_attributes(self.attributes, self.ttl))
        for one in collections:
            if one.ttl != self.ttl:
                text = f"ttl={one.ttl!r}, and collection {collections[0].collection!r} {self.ttl!r}"
                raise DefinitionError(f"collection {one.collection!r} has {text}: a table has one TTL attribute")
            if list(one.attributes.items()) != list(self.attributes.items()):
                raise DefinitionError(
                    f"collection {one.collection!r} has the key {_describe(one.attributes)}, and collection "
                    f"{collections[0].collection!r} {_describe(self.attributes)}: a table has one key for all its items"
                )
        for one, other in combinations(collections, 2):
            _check_overlap(one, other)

    def check_attributes(self, key: Image) -> None:
        """Check that a row's key has the attributes that the definition names, in their types.

        Raises:
            InvalidMessage: the definition is for another table.
        """
        given = {name: _KINDS.get(next(iter(value), "")) for name, value in key.items()}
        if given != self.attributes:
            names = " and ".join(f"{name!r} ({kind})" for name, kind in given.items())
            raise InvalidMessage(f"the table's key is {names}; the definition's key= is {_describe(self.attributes)}")

    def identify(self, key: Image, image: Image) -> Identity | None:
        """Return which item a row is; None if no collection matches it.

        Args:
            key: its key attributes.
            image: all its attributes.

        Raises:
            InvalidMessage: two collections match it.
        """
        values = {name: decode_value(key[name]) for name in self.attributes if name in key}
        if self._may_hold_sentinels and str(values.get(PLAIN_ATTRIBUTE)).startswith(f"{SENTINELS}#"):
            return None
        found = None
        for one in self.collections.values():
            identity = one.identity(values)
            if identity is None or not one.matches(image):
                continue
            if found is not None:
                raise InvalidMessage(f"collections {found.collection!r} and {one.collection!r} both match this item")
            found = identity
        return found

    def decode(self, identity: Identity, image: Image) -> Item:
        """Return an item's fields: those in its key, then the others in the row.

        Raises:
            InvalidMessage: as :func:`tailrace.encoding.dynamodb.decode_value`.
        """
        known = self.hidden.union(identity.fields)
        return {**identity.fields, **{name: decode_value(value) for name, value in image.items() if name not in known}}


def item_keys(collections: Sequence[CollectionKey], strict: object) -> ItemKeys | None:
    """Return the keys of a pipeline's collections; None if all of them are plain, and strict.

    Raises:
        DefinitionError: as :class:`ItemKeys`, or ``strict=`` is invalid.
    """
    if strict not in (None, True, False):
        raise DefinitionError(f"strict= must be True or False, not {strict!r}")
    plain = all(one.is_plain and not one.match for one in collections)
    is_strict = plain if strict is None else bool(strict)
    if plain and is_strict and all(one.ttl == PLAIN_TTL for one in collections):
        return None
    return ItemKeys(collections, strict=is_strict)


def _is_same(value: Any, wanted: Any) -> bool:
    return value == wanted and isinstance(value, bool) is isinstance(wanted, bool)


def _mapping(what: str, given: object) -> Mapping[str, Any]:
    if isinstance(given, Mapping) and given:
        return given
    if what == "match" and given == {}:
        return {}
    raise ValueError(f"{what}= must be a dict with at least one attribute, not {given!r}")


def _matched(name: object, value: Any) -> Any:
    if not isinstance(name, str) or not name:
        raise ValueError(f"match=: {name!r} is not an attribute name")
    if isinstance(value, Decimal):
        value = canonical_number(value)
    if isinstance(value, str | bool | int):
        check_item("", {name: value}, {})
        return value
    raise ValueError(f"match=: the value of {name!r} must be a text, a number or a boolean, not {value!r}")


def _check_overlap(one: CollectionKey, other: CollectionKey) -> None:
    if any(name in other.match and not _is_same(other.match[name], value) for name, value in one.match.items()):
        return
    from tailrace.encoding.key_overlaps import find_overlap  # noqa: PLC0415 - few tables hold several collections

    example = find_overlap(one.template, other.template)
    if example is not None:
        raise DefinitionError(
            f"collections {one.collection!r} and {other.collection!r} overlap: both match the key {example!r}; make "
            "their templates differ, or tell them apart by an attribute with match="
        )


def _describe(attributes: Mapping[str, Kind]) -> str:
    return " and ".join(f"{name!r} ({kind})" for name, kind in attributes.items())
