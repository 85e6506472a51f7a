"""The pipeline definition: collections, aggregates and routes. Every mistake in it is one error at import."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection, check_name
from tailrace.definition.default_pipeline import DEFAULT_PIPELINE
from tailrace.definition.fields.arguments import check_function
from tailrace.definition.item_keys import ItemKeys, item_keys
from tailrace.definition.measures.linear import Predicate
from tailrace.definition.route_names import excess, is_reserved, resource_name
from tailrace.errors import DefinitionError, NotFound


@dataclass(frozen=True, eq=False)
class Route:
    """Sends the changes whose old or new item satisfies ``when`` to a queue of their own.

    The template creates the queue: for the route ``late-flights`` the resource ``LateFlightsQueue``.

    Example:
        >>> from tailrace import Collection, Route
        >>> readings = Collection("readings", schema={"type": "object"})
        >>> alerts = Route("alerts", of=readings, when=lambda reading: reading["celsius"] > 80)
        >>> alerts.when({"celsius": 81})
        True
    """

    name: str
    of: Collection
    when: Predicate

    def __post_init__(self) -> None:
        check_name("route", self.name)
        if is_reserved(self.name):
            raise DefinitionError(f"route {self.name!r}: the name is reserved for a queue of the stack; choose another")
        if not isinstance(self.of, Collection):
            raise DefinitionError(f"route {self.name!r}: of= must be a Collection, not {self.of!r}")
        if not callable(self.when):
            raise DefinitionError(f"route {self.name!r}: when= must be a function of an item, not {self.when!r}")
        check_function(f"route {self.name!r}: when=", self.when)


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The whole definition: collections, their aggregates, and routes.

    Two aggregates may share a name if their versions differ: both are kept up to date, so that readers can be moved
    from one to the other.

    Attributes:
        strict: whether an item that no collection matches goes to quarantine; otherwise only the metric
            ``ItemsUnmatched`` counts it. The default is False if a collection has ``key=`` or ``match=``, because an
            existing table holds other items.
        reference: the ``module:attribute`` that it was loaded from; empty if it was not loaded by name.

    Example:
        >>> from tailrace import Aggregate, Collection, Pipeline, count, field
        >>> readings = Collection("readings", schema={"type": "object"})
        >>> sensors = Aggregate("sensors", of=readings, by=[field("sensor")], measures={"readings": count()})
        >>> pipeline = Pipeline(collections=[readings], aggregates=[sensors])
        >>> pipeline.aggregate("sensors").of.name
        'readings'
    """

    collections: Sequence[Collection]
    aggregates: Sequence[Aggregate] = ()
    routes: Sequence[Route] = ()
    strict: bool | None = None
    keys: ItemKeys | None = field(default=None, init=False, repr=False)
    reference: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        for what, kind in (("collections", Collection), ("aggregates", Aggregate), ("routes", Route)):
            given = getattr(self, what)
            if not isinstance(given, Sequence) or not all(isinstance(member, kind) for member in given):
                raise DefinitionError(f"{what}= must be a list of {kind.__name__} objects, not {given!r:.60}")
            members = tuple(given)
            object.__setattr__(self, what, members)
            _check_distinct(what, members)
        for aggregate in self.aggregates:
            _check_value_rows(aggregate)
        queues = [resource_name(route.name) for route in self.routes]
        for route, queue in zip(self.routes, queues, strict=True):
            if queues.count(queue) > 1:
                raise DefinitionError(f"route {route.name!r}: shares its queue with a route that differs in '-' or '_'")
        too_many = excess([route.name for route in self.routes])
        if too_many is not None:
            raise DefinitionError(f"routes=: {too_many}")
        with_collection: list[Aggregate | Route] = [*self.aggregates, *self.routes]
        for member in with_collection:
            if member.of not in self.collections:
                raise DefinitionError(f"{member.name!r} uses collection {member.of.name!r}; add it to collections=")
        object.__setattr__(self, "keys", item_keys([one.keys for one in self.collections], self.strict))

    @cached_property
    def keeping(self) -> frozenset[str]:
        """The names of the collections with ``on_expiry="keep"``."""
        return frozenset(one.name for one in self.collections if one.on_expiry == "keep")

    @cached_property
    def collections_by_name(self) -> Mapping[str, Collection]:
        """The collections by name."""
        return {collection.name: collection for collection in self.collections}

    def collection(self, name: str) -> Collection:
        """Return the collection with this name.

        Raises:
            NotFound: there is none.
        """
        return _find("collection", self.collections, name)

    def aggregate(self, name: str, version: int | None = None) -> Aggregate:
        """Return the aggregate with this name and version; without a version, the highest.

        Raises:
            NotFound: there is none.
        """
        if version is None:
            return _find("aggregate", self.newest_aggregates, name)
        for aggregate in self.aggregates:
            if (aggregate.name, aggregate.version) == (name, version):
                return aggregate
        raise NotFound(f"aggregate {name[:60]!r} has no version {version} in the definition")

    @cached_property
    def newest_aggregates(self) -> Sequence[Aggregate]:
        """The highest version of each aggregate, in the order of the definition."""
        highest: dict[str, Aggregate] = {}
        for aggregate in self.aggregates:
            if aggregate.version >= highest.get(aggregate.name, aggregate).version:
                highest[aggregate.name] = aggregate
        return tuple(highest.values())


def _check_distinct(what: str, members: Sequence[Collection | Aggregate | Route]) -> None:
    seen: set[tuple[str, int]] = set()
    for member in members:
        version = member.version if isinstance(member, Aggregate) else 0
        if (member.name, version) in seen:
            raise DefinitionError(f"two {what} are named {member.name!r}" + (f", version {version}" if version else ""))
        seen.add((member.name, version))


def _check_value_rows(aggregate: Aggregate) -> None:
    """Check that no measure has the name of a quantile's nodes, since both would be in the same rows."""
    names = [kind.name for kind in aggregate.value_rows]
    for name in names:
        if names.count(name) > 1:
            quantile = name.rpartition(".")[0]
            raise DefinitionError(
                f"aggregate {aggregate.name!r}: the measure {name!r} has the name of rows of {quantile!r}, a quantile; "
                "rename it"
            )


def _find[T: (Collection, Aggregate)](what: str, members: Sequence[T], name: str) -> T:
    for member in members:
        if member.name == name:
            return member
    raise NotFound(f"no {what} is named {name[:60]!r}; defined: {', '.join(m.name for m in members) or 'none'}")


@cache
def load_pipeline(reference: str = DEFAULT_PIPELINE) -> Pipeline:
    """Import the pipeline named by ``module:attribute``.

    Raises:
        DefinitionError: the module or attribute does not exist, or is not a pipeline.
        Exception: whatever the module raises.
    """
    module, _, attribute = reference.partition(":")
    if not all(name.isidentifier() for name in (*module.split("."), attribute)):
        raise DefinitionError(f"a pipeline must be module:attribute, such as {DEFAULT_PIPELINE}, not {reference!r}")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module itself is there, and imports one that is not
        raise DefinitionError(f"there is no pipeline {reference!r}: {error}") from error
    if not hasattr(imported, attribute):
        raise DefinitionError(f"there is no pipeline {reference!r}: module {module!r} has no attribute {attribute!r}")
    pipeline = getattr(imported, attribute)
    if not isinstance(pipeline, Pipeline):
        raise DefinitionError(f"{reference!r} is a {type(pipeline).__name__}, not a Pipeline")
    object.__setattr__(pipeline, "reference", reference)
    return pipeline
