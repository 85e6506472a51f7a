"""A kind of item: its schema and its transform."""

import json
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tailrace.definition.checks import check_display_metadata
from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import COLLECTION_NAME
from tailrace.encoding.numbers import normalise
from tailrace.errors import DefinitionError, InvalidItem, Violation

_TRANSFORM_CONTEXT = Context(prec=28)
"""The decimals that a transform reckons with, wherever it is called: Python's own, which leave room for sums."""

_MUTABLE_TYPES = frozenset([dict, list, set, bytearray])


def check_name(what: str, name: object) -> None:
    """Refuse a name that cannot be part of a key or of a resource's name.

    Raises:
        DefinitionError: always naming the rule.
    """
    if not isinstance(name, str) or not COLLECTION_NAME.fullmatch(name):
        raise DefinitionError(
            f"{what} {name!r}: a name has 1 to 48 lower-case letters, digits, '_' or '-', and begins with a letter"
        )


@dataclass(frozen=True, eq=False)
class Collection:
    """A kind of item.

    Attributes:
        name: the first part of every key: ``<name>#<id>``.
        schema: a JSON Schema 2020-12, as a mapping or as the path of a file beside the module that names it.
        transform: a pure function from the valid item to the item that routes, archive and aggregates see. It
            gets a copy and may change it. It must not look at anything else, as the engine calls it again for
            the old version of an item to take back what that version had added.
        on_expiry: what a deletion by TTL means for the aggregates: ``retract`` as for any deletion, or ``keep``.
        description: a sentence for readers.
    """

    name: str
    schema: Mapping[str, Any] | str | Path
    transform: Callable[[Item], Item] | None = None
    on_expiry: Literal["retract", "keep"] = "retract"
    description: str | None = None
    compiled: Schema = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_name("collection", self.name)
        if self.on_expiry not in ("retract", "keep"):
            raise DefinitionError(f"collection {self.name!r}: on_expiry is 'retract' or 'keep', not {self.on_expiry!r}")
        check_display_metadata(f"collection {self.name!r}", description=self.description)
        if self.transform is not None and not callable(self.transform):
            raise DefinitionError(f"collection {self.name!r}: the transform is not a function")
        document = self.schema
        if isinstance(document, str | Path):
            caller = sys._getframe(2).f_globals.get("__file__", "")  # noqa: SLF001 - the module that names the file
            document = _read_schema(self.name, Path(caller).parent / document)
        if not isinstance(document, Mapping):
            kind = type(document).__name__
            raise DefinitionError(f"collection {self.name!r}: the schema is a dict or the path of a file, not a {kind}")
        object.__setattr__(self, "compiled", Schema(document))

    @property
    def accepts_any_item(self) -> bool:
        """Tell whether each item is taken as it is: no schema that could refuse it, no transform."""
        return self.transform is None and self.compiled.accepts_any_object

    def prepare(self, item: Item) -> Item:
        """Validate and transform an item (fields only, without ``pk`` and ``expires_at``).

        Raises:
            InvalidItem: with every violation of the schema, or with what the transform raised.
        """
        if not self.compiled.is_valid(item):
            raise InvalidItem(partial(self.compiled.violations, item))
        if self.transform is None:
            return item
        try:
            with localcontext(_TRANSFORM_CONTEXT):
                transformed = normalise(self.transform(_mutable_copy(item)))
        except Exception as error:  # whatever a user's function raises makes this item invalid, and no more
            raise InvalidItem([Violation("", "transform", f"{type(error).__name__}: {error}")]) from error
        if not isinstance(transformed, dict):
            kind = type(transformed).__name__
            raise InvalidItem([Violation("", "transform", f"the transform returned a {kind}, not a dict")])
        return transformed


def _mutable_copy(item: Item) -> Item:
    """Return an item that a transform may change to its depths: the other is stored, or told when this one fails."""
    return dict(item) if _MUTABLE_TYPES.isdisjoint(map(type, item.values())) else deepcopy(item)


def _read_schema(collection: str, path: Path) -> Mapping[str, Any]:
    try:
        # Decimal, so that "multipleOf": 0.01 compares exactly with the numbers of items
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise DefinitionError(f"collection {collection!r}: cannot read the schema {path.name!r}: {error}") from error
    except ValueError as error:
        raise DefinitionError(f"collection {collection!r}: the schema {path.name!r} is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise DefinitionError(f"collection {collection!r}: the schema {path.name!r} is not a JSON object")
    return document
