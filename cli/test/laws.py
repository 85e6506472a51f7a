"""What must hold for every valid item: the user's functions are total, and depend on nothing but the item."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from msgspec import Struct

from cli.definitions.predicates import UserPredicate, images_of, place_of, says
from cli.definitions.subject import Subject
from cli.test.enum_texts import enum_texts
from tailrace.aggregation.contributions import item_contribution
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.failures import FAILURES, describe_failure
from tailrace.definition.fields.paths import FieldPath
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import canonical_json
from tailrace.errors import InvalidItem

FAILS = "fails"
"""The law for which all items are tried; the others take longer."""

_UNCOUNTED = frozenset(["each", "group", "measure", "time", "digits", "key"])


class Problem(Struct, frozen=True):
    """A law that an item breaks.

    Attributes:
        law: ``fails``, ``refuses`` (the transform raises ValueError: the item goes to quarantine, as it may),
            ``uncounted`` (valid, but not what a measure or group can use), ``enum``, ``unstable``, ``order``,
            ``modifies`` or ``overlap``.
        where: whose code.
        text: what happens.
    """

    law: str
    where: str
    text: str

    @property
    def is_error(self) -> bool:
        """Whether the definition is broken; otherwise it may be meant."""
        return self.law not in ("refuses", "uncounted")

    @property
    def key(self) -> tuple[str, str]:
        """Problems with the same key are the same."""
        return self.law, self.where


def problems(subject: Subject, item: Item) -> Iterator[Problem]:
    """Yield the laws that an item breaks."""
    transform = subject.collection.transform
    if (overlap := subject.overlap(item)) is not None:
        yield Problem("overlap", f"key= of collection {subject.collection.name!r}", f"a valid item's key: {overlap}")
    try:
        seen = subject.collection.prepare(deepcopy(item))
    except InvalidItem as error:
        yield _transform_problem(subject, error)
        return
    if transform is not None:
        where = f"transform of {subject.collection.name!r}, {place_of(transform)}"
        if _prepared(subject, item) != canonical_json(seen):
            yield Problem("unstable", where, f"gives different results for the same item: {_UNSTABLE}")
        elif _prepared(subject, reordered(item)) != canonical_json(seen):
            yield Problem("order", where, f"depends on the order of the item's fields, {_UNORDERED}")
    for predicate in subject.predicates:
        for image in images_of(seen, predicate.each):
            yield from _predicate_problems(predicate, image)
    for aggregate in subject.aggregates:
        yield from _counting_problems(aggregate, seen)


_UNSTABLE = "randomness, a clock, or something that it remembers"
_UNORDERED = "which DynamoDB does not keep"


def is_suspicious(subject: Subject, item: Item) -> bool:
    """Tell whether the transform or a predicate fails on an item: a quick look, before the whole one."""
    try:
        seen = subject.collection.prepare(item)
        for predicate in subject.predicates:
            for image in images_of(seen, predicate.each):
                says(predicate, image)
    except InvalidItem as error:
        return not isinstance(error.__cause__, ValueError)
    except FAILURES:  # the user's code may raise anything
        return True
    return False


def _counting_problems(aggregate: Aggregate, item: Item) -> Iterator[Problem]:
    try:
        item_contribution(deepcopy(item), aggregate)
    except InvalidItem as error:
        if {violation.keyword for violation in error.violations} <= _UNCOUNTED:
            pointer = _in_any_element(error.violations[0].pointer, aggregate.each_path)
            yield Problem("uncounted", f"aggregate {aggregate.name!r}: {pointer}", str(error))
    for text in enum_texts(aggregate, item):
        yield Problem("enum", f"aggregate {aggregate.name!r}", text)


def _in_any_element(pointer: str, each: FieldPath | None) -> str:
    """Return a pointer with ``*`` in place of the element, since the others have the same problem."""
    if each is None or not pointer.startswith(f"{each.pointer}/"):
        return pointer
    _, slash, rest = pointer.removeprefix(f"{each.pointer}/").partition("/")
    return f"{each.pointer}/*{slash}{rest}"


def _transform_problem(subject: Subject, error: InvalidItem) -> Problem:
    reason = error.violations[0].message
    where = f"transform of {subject.collection.name!r}, {place_of(subject.collection.transform or dict)}"
    if isinstance(error.__cause__, ValueError):
        return Problem("refuses", where, f"refuses a valid item, which goes to quarantine: {reason}")
    return Problem(FAILS, where, f"fails on a valid item: {reason}")


def _prepared(subject: Subject, item: Item) -> str:
    try:
        return canonical_json(subject.collection.prepare(deepcopy(item)))
    except InvalidItem as error:
        return f"invalid: {error}"


def _predicate_problems(predicate: UserPredicate, item: Item) -> Iterator[Problem]:
    given = deepcopy(item)
    try:
        first = says(predicate, given)
        if canonical_json(given) != canonical_json(item):
            yield Problem("modifies", str(predicate), "modifies the item, which others read after it")
        if says(predicate, deepcopy(item)) != first:
            yield Problem("unstable", str(predicate), f"gives different results for the same item: {_UNSTABLE}")
        elif says(predicate, reordered(item)) != first:
            yield Problem("order", str(predicate), f"depends on the order of the item's fields, {_UNORDERED}")
    except FAILURES as error:  # the user's code may raise anything
        yield Problem(FAILS, str(predicate), f"fails on a valid item: {describe_failure(error, predicate.function)}")


def reordered(value: Any) -> Any:
    """Return a copy whose fields are in the opposite order, at every depth."""
    if isinstance(value, dict):
        return {name: reordered(inner) for name, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value
