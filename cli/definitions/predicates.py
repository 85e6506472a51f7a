"""The user's functions in a definition: which there are, and where each is written."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from inspect import isawaitable, isgenerator
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from tailrace.aggregation.field_usage import predicate_fields
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import code_of
from tailrace.definition.field_uses import FieldUse, in_elements
from tailrace.definition.fields.elements import views
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.json_schema.types import ALL_TYPES
from tailrace.definition.measures.linear import Measure
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem


class UserPredicate(Struct, frozen=True):
    """A predicate, the first place in the definition that uses it, and the field whose elements it is applied to."""

    what: str
    function: Callable[[Any], Any]
    each: FieldPath | None = None

    def __str__(self) -> str:
        return f"{self.what}, {place_of(self.function)}"


def says(predicate: UserPredicate, item: Item) -> bool:
    """Return what a predicate says about an item.

    Raises:
        TypeError: it returns something that is true whatever the item is.
        Exception: whatever the predicate raises.
    """
    result = predicate.function(item)
    if callable(result) or isawaitable(result) or isgenerator(result):
        raise TypeError(
            f"its result is a {type(result).__name__}, which is always true: call it, await it, or use any() or all()"
        )
    return bool(result)


def images_of(item: Item, each: FieldPath | None) -> Iterator[Item]:
    """Yield copies of an item as an aggregate's groups, measures and predicates see it: as it is, or by its elements.

    An item whose elements cannot be determined has none here; counting it reports that.
    """
    if each is None:
        yield deepcopy(item)
        return
    with suppress(InvalidItem):
        yield from (deepcopy(view) for view in views(item, each))


def predicates_of(pipeline: Pipeline, collection: Collection) -> list[UserPredicate]:
    """Return the predicates on a collection's items, each once."""
    found: dict[tuple[Callable[[Any], Any], FieldPath | None], UserPredicate] = {}
    for predicate in _predicates(pipeline, collection):
        found.setdefault((predicate.function, predicate.each), predicate)
    return list(found.values())


def uses_of(predicate: UserPredicate) -> Iterator[FieldUse]:
    """Yield each field that a predicate looks up, as far as its code shows them."""
    for source in sorted(predicate_fields(predicate.function) or ()):
        use = FieldUse(str(predicate), source, field_path(source).steps, ALL_TYPES)
        yield use if predicate.each is None else in_elements(use, predicate.each)


def _predicates(pipeline: Pipeline, collection: Collection) -> Iterator[UserPredicate]:
    for aggregate in pipeline.aggregates:
        if aggregate.of is collection:
            for what, function in _predicates_of_aggregate(aggregate):
                yield UserPredicate(what, function, aggregate.each_path)
    for route in pipeline.routes:
        if route.of is collection:
            yield UserPredicate(f"when= of route {route.name!r}", route.when)


def _predicates_of_aggregate(aggregate: Aggregate) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    if aggregate.where is not None:
        yield f"where= of aggregate {aggregate.name!r}", aggregate.where
    for name, measure in aggregate.stored_measures.items():
        where = measure.columns[0].where if isinstance(measure, Measure) else measure.values.where
        if where is not None:
            yield f"where= of measure {name!r} of aggregate {aggregate.name!r}", where


def place_of(function: Callable[..., Any]) -> str:
    """Return a function's name with the file and line at which it begins."""
    code = code_of(function)
    if code is None:
        return str(getattr(function, "__qualname__", type(function).__qualname__))
    return f"{code.co_name} ({'/'.join(PurePath(code.co_filename).parts[-2:])}:{code.co_firstlineno})"
