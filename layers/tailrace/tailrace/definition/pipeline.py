"""What a user writes: collections, aggregates and routes; every mistake in them is one clear error at import."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection, check_name
from tailrace.definition.measures import Predicate
from tailrace.errors import DefinitionError, NotFound

RESERVED_QUEUES = {"ARCHIVE", "ASYNC_FAILURES", "INTAKE"}
"""The queues that are there without a route: one of such a name would send to them."""

DEFAULT_PIPELINE = "pipeline.definition:pipeline"


def queue_variable(route: str) -> str:
    """Return what names a route's queue in variables: ``late-flights`` and ``late_flights`` are both LATE_FLIGHTS."""
    return route.replace("-", "_").upper()


@dataclass(frozen=True, eq=False)
class Route:
    """Changes that go to a queue of their own: those whose old or new item satisfies ``when``.

    The template holds the queue: for the route ``late-flights`` the resource ``LateFlightsQueue``.
    """

    name: str
    of: Collection
    when: Predicate

    def __post_init__(self) -> None:
        check_name("route", self.name)
        if queue_variable(self.name) in RESERVED_QUEUES:
            raise DefinitionError(f"route {self.name!r}: the stack has a queue of this name itself; choose another")
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
        for what, kind in (("collections", Collection), ("aggregates", Aggregate), ("routes", Route)):
            given = getattr(self, what)
            if not isinstance(given, Sequence) or not all(isinstance(member, kind) for member in given):
                raise DefinitionError(f"{what} is a list of {kind.__name__}, not {given!r:.60}")
            members = tuple(given)
            object.__setattr__(self, what, members)
            names = [member.name for member in members]
            for name in names:
                if names.count(name) > 1:
                    raise DefinitionError(f"two {what} are called {name!r}")
        queues = [queue_variable(route.name) for route in self.routes]
        for route, queue in zip(self.routes, queues, strict=True):
            if queues.count(queue) > 1:
                raise DefinitionError(f"route {route.name!r}: another one, with '_' for '-', would share its queue")
        with_collection: list[Aggregate | Route] = [*self.aggregates, *self.routes]
        for member in with_collection:
            if member.of not in self.collections:
                raise DefinitionError(f"{member.name!r} is of {member.of.name!r}, which is not among the collections")

    @cached_property
    def collections_by_name(self) -> Mapping[str, Collection]:
        """The collections, by their names."""
        return {collection.name: collection for collection in self.collections}

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
