"""What a user writes: collections, aggregates and routes; every mistake in them is one clear error at import."""

import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from tailrace.errors import DefinitionError, InvalidItem, NotFound, Violation
from tailrace.keys import COLLECTION_NAME, BucketGroup, Group
from tailrace.measures import Item, Measure, Predicate
from tailrace.schemas import Schema
from tailrace.values import without_floats

DEFAULT_PIPELINE = "pipeline.definition:pipeline"

ITEMS_IN_ROW = "~n"
"""The attribute that counts the items of a row; a row whose count is 0 is not shown."""

INEXACT = "~inexact"
"""The attribute that counts the changes whose sums DynamoDB could not hold; the row's measures lack them."""

_RESERVED = {"pk", "sk", "updated_at", "expires_at", "inexact"}


def _named(what: str, name: object) -> None:
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
            gets a fresh dict and may change it. It must not look at anything else, as the engine calls it again for
            the old version of an item to take back what that version had added.
        on_expiry: what a deletion by TTL means for the aggregates: ``retract`` as for any deletion, or ``keep``.
    """

    name: str
    schema: Mapping[str, Any] | str | Path
    transform: Callable[[Item], Item] | None = None
    on_expiry: Literal["retract", "keep"] = "retract"
    compiled: Schema = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _named("collection", self.name)
        if self.on_expiry not in ("retract", "keep"):
            raise DefinitionError(f"collection {self.name!r}: on_expiry is 'retract' or 'keep', not {self.on_expiry!r}")
        if self.transform is not None and not callable(self.transform):
            raise DefinitionError(f"collection {self.name!r}: the transform is not a function")
        document = self.schema
        if isinstance(document, str | Path):
            caller = sys._getframe(2).f_globals.get("__file__", "")  # noqa: SLF001 - the module that names the file
            document = _read_schema(self.name, Path(caller).parent / document)
        object.__setattr__(self, "compiled", Schema(document))

    def prepare(self, item: Item) -> Item:
        """Validate and transform an item (fields only, without ``pk`` and ``expires_at``).

        Raises:
            InvalidItem: with every violation of the schema, or with what the transform raised.
        """
        if not self.compiled.is_valid(item):
            raise InvalidItem(self.compiled.violations(item))
        if self.transform is None:
            return item
        try:
            transformed = without_floats(self.transform(dict(item)))
        except Exception as error:  # whatever a user's function raises makes this item invalid, and no more
            raise InvalidItem([Violation("", "transform", f"{type(error).__name__}: {error}")]) from error
        if not isinstance(transformed, dict):
            kind = type(transformed).__name__
            raise InvalidItem([Violation("", "transform", f"the transform returned a {kind}, not a dict")])
        return transformed


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


@dataclass(frozen=True, eq=False)
class Aggregate:
    """A materialized table of groups and their measures.

    Attributes:
        name: the first part of its rows' keys.
        of: the collection whose items it counts.
        by: the groups, in the order of the key: the first is the partition, the others sort within it. At most
            one of them is a time bucket. An item whose group field is missing or null is in no row.
        measures: what each row keeps, by name.
        where: counts only the items for which this holds.
        keep: how long a row stays after its time bucket is over; None for ever.
        version: part of the key. Changing what an aggregate means is a new version.
    """

    name: str
    of: Collection
    by: Sequence[Group]
    measures: Mapping[str, Measure]
    where: Predicate | None = None
    keep: timedelta | None = None
    version: int = 1

    def __post_init__(self) -> None:
        _named("aggregate", self.name)
        object.__setattr__(self, "by", tuple(self.by))
        object.__setattr__(self, "measures", dict(self.measures))
        here = f"aggregate {self.name!r}"
        if not self.by or not self.measures:
            raise DefinitionError(f"{here}: needs at least one group and one measure")
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise DefinitionError(f"{here}: the version is a whole number from 1, not {self.version!r}")
        if not isinstance(self.of, Collection):
            raise DefinitionError(f"{here}: of= names a Collection, not a {type(self.of).__name__}")
        if sum(isinstance(group, BucketGroup) for group in self.by) > 1:
            raise DefinitionError(f"{here}: two time buckets; make them two aggregates")
        if self.keep is not None and (self.bucket is None or self.keep <= timedelta(0)):
            raise DefinitionError(f"{here}: keep= is a positive time and needs a time bucket that it counts from")
        self._check_attributes(here)
        self._check_fields(here)

    def _check_attributes(self, here: str) -> None:
        seen: set[str] = set(_RESERVED)
        names = [group.name for group in self.by]
        for name, measure in self.measures.items():
            if not isinstance(measure, Measure):
                raise DefinitionError(f"{here}: measure {name!r} is a {type(measure).__name__}, not a measure")
            names.extend(measure.attributes(name))
        for name in names:
            if not name or name.startswith("~"):
                raise DefinitionError(
                    f"{here}: the attribute {name!r} is empty or begins with '~', which is the engine's"
                )
            if name in seen:
                raise DefinitionError(f"{here}: two things are called {name!r}; give one another name (a group: name=)")
            seen.add(name)

    def _check_fields(self, here: str) -> None:
        # a transform may add any field, so only without one is it known here which fields there can be
        known = self.of.compiled.properties
        if (
            self.of.transform is not None
            or not known
            or self.of.compiled.document.get("additionalProperties") is not False
        ):
            return
        for source in [group.source for group in self.by] + [m.source for m in self.measures.values() if m.source]:
            if source not in known:
                raise DefinitionError(
                    f"{here}: unknown field {source!r}; {self.of.name!r} has {', '.join(sorted(known))}"
                )

    @property
    def bucket(self) -> BucketGroup | None:
        """The time bucket among the groups, if there is one."""
        return next((group for group in self.by if isinstance(group, BucketGroup)), None)

    @cached_property
    def measure_attributes(self) -> tuple[str, ...]:
        """The row's measure attributes, in the order of an item's parts."""
        return tuple(name for key, measure in self.measures.items() for name in measure.attributes(key))

    def present(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a stored row as readers see it: groups, measures, ``updated_at``; None for an empty group.

        A row that lacks a change whose sum DynamoDB could not hold says ``inexact: True``.
        """
        if not row.get(ITEMS_IN_ROW):
            return None
        groups = {group.name: row.get(group.name) for group in self.by}
        measures = {name: measure.present(name, row) for name, measure in self.measures.items()}
        flag = {"inexact": True} if row.get(INEXACT) else {}
        return groups | measures | {"updated_at": row.get("updated_at")} | flag


@dataclass(frozen=True, eq=False)
class Route:
    """Changes that go to a queue of their own: those whose old or new item satisfies ``when``.

    The template holds the queue: for the route ``late-flights`` the resource ``LateFlightsQueue``.
    """

    name: str
    of: Collection
    when: Predicate

    def __post_init__(self) -> None:
        _named("route", self.name)
        if not isinstance(self.of, Collection):
            raise DefinitionError(f"route {self.name!r}: of= names a Collection, not a {type(self.of).__name__}")
        if not callable(self.when):
            raise DefinitionError(f"route {self.name!r}: when= is a function from an item to a truth value")


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The whole definition: what there is, what is counted, what goes where."""

    collections: Sequence[Collection]
    aggregates: Sequence[Aggregate] = ()
    routes: Sequence[Route] = ()

    def __post_init__(self) -> None:
        for what in ("collections", "aggregates", "routes"):
            members = tuple(getattr(self, what))
            object.__setattr__(self, what, members)
            names = [member.name for member in members]
            for name in names:
                if names.count(name) > 1:
                    raise DefinitionError(f"two {what} are called {name!r}")
        members_of: list[Aggregate | Route] = [*self.aggregates, *self.routes]
        for member in members_of:
            if member.of not in self.collections:
                raise DefinitionError(f"{member.name!r} is of {member.of.name!r}, which is not among the collections")

    def collection(self, name: str) -> Collection:
        """Return a collection by name.

        Raises:
            NotFound: there is none of this name.
        """
        return _find("collection", self.collections, name)

    def aggregate(self, name: str) -> Aggregate:
        """Return an aggregate by name.

        Raises:
            NotFound: there is none of this name.
        """
        return _find("aggregate", self.aggregates, name)


def _find[T: (Collection, Aggregate)](what: str, members: Sequence[T], name: str) -> T:
    for member in members:
        if member.name == name:
            return member
    raise NotFound(f"there is no {what} {name[:60]!r}; there are: {', '.join(m.name for m in members) or 'none'}")


def days(number: float) -> timedelta:
    """A time of so many days, for ``keep=``."""
    return timedelta(days=number)


def hours(number: float) -> timedelta:
    """A time of so many hours, for ``keep=``."""
    return timedelta(hours=number)


@cache
def load_pipeline(reference: str = DEFAULT_PIPELINE) -> Pipeline:
    """Import the pipeline that ``module:attribute`` names.

    Raises:
        DefinitionError: there is no such module or attribute, or it is no pipeline.
    """
    module, _, attribute = reference.partition(":")
    try:
        pipeline = getattr(importlib.import_module(module), attribute or "pipeline")
    except (ImportError, AttributeError, ValueError) as error:
        raise DefinitionError(f"TAILRACE_PIPELINE={reference!r}: {error}") from error
    if not isinstance(pipeline, Pipeline):
        raise DefinitionError(f"TAILRACE_PIPELINE={reference!r} names a {type(pipeline).__name__}, not a Pipeline")
    return pipeline
