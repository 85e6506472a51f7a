"""The definition on its collections' examples: schema, transform, groups, measures, predicates and routes.

A transform may add, rename and remove fields, so only its results show what a group or measure finds after it. Without
examples that is not known, and the check says so.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from decimal import Decimal
from itertools import islice

from cli.definitions.predicates import UserPredicate, images_of, predicates_of, says, uses_of
from cli.definitions.subject import example_item
from cli.test.enum_texts import enum_texts
from cli.test.findings import Findings
from tailrace.aggregation.contributions import item_contribution
from tailrace.aggregation.values.row_sizes import size_problem
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import FAILURES, describe_failure
from tailrace.definition.field_uses import (
    FieldUse,
    field_uses,
    in_words,
    may_be_unusable,
    ratio_uses,
    unknown_field,
    value_at,
)
from tailrace.definition.fields.paths import FieldPath, field_path, source_of
from tailrace.definition.item_fields import BINARY
from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.json_schema.paths import ELEMENT
from tailrace.definition.json_schema.types import type_of
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.pipeline import Pipeline
from tailrace.definition.times.instants import EPOCH_UNITS
from tailrace.encoding.json_types import Item
from tailrace.encoding.limits import check_item
from tailrace.errors import InvalidItem, InvalidMessage

_MAX_NAMES = 12
_FIRST_SECONDS, _LAST_SECONDS = 10**8, 10**10
"""Times in seconds from 1973 to 2286."""
_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def check_definition(pipeline: Pipeline) -> Findings:
    """Try a definition on its examples; return what is wrong with it, and what could not be checked."""
    findings = Findings()
    for problem in filter(None, map(size_problem, pipeline.aggregates)):
        findings.warn(problem)
    for collection in pipeline.collections:
        aggregates = [aggregate for aggregate in pipeline.aggregates if aggregate.of is collection]
        items = list(_transformed(collection, findings))
        if len(items) < len(collection.all_examples):
            continue
        _check_entrances(collection, findings)
        unchecked: list[str] = []
        for aggregate in aggregates:
            unchecked += _check_fields(aggregate, items, findings)
            _check_counting(aggregate, items, findings)
        predicates = predicates_of(pipeline, collection)
        if not items:
            read = (use for predicate in predicates for use in uses_of(predicate))
            unchecked += [use.source for use in read if not _is_described(collection, use)]
        _warn_of_unchecked(collection, unchecked, findings)
        for predicate in predicates:
            seen = [image for item in items for image in images_of(item, predicate.each)]
            _check_fields_read(predicate, collection, seen, findings)
            if seen:
                _check_predicate(predicate, collection, seen, findings)
    return findings


def _transformed(collection: Collection, findings: Findings) -> Iterator[Item]:
    given = {*collection.keys.fields, *collection.keys.match}
    for number, example in enumerate(collection.all_examples, 1):
        try:
            item = example_item(collection, example)
            if missing := [name for name in collection.keys.fields if name not in item]:
                findings.error(
                    f"example {number} of {collection.name!r} lacks {', '.join(missing)}, which its key gives"
                )
            else:
                check_item("x#1", {name: item[name] for name in item if name not in given}, collection.keys.reserved)
                _check_row(collection.keys, item)
                if collection.lifetime is not None:
                    collection.lifetime.expires_at(item)
                yield collection.prepare(item)
        except (InvalidItem, InvalidMessage, TypeError) as error:
            findings.error(f"example {number} of {collection.name!r} is not a valid item: {error}")
        except RecursionError:
            findings.error(f"example {number} of {collection.name!r} is nested too deeply, or contains itself")


def _check_row(keys: CollectionKey, item: Item) -> None:
    """Check that a table can hold an item under the key that its fields make.

    Raises:
        InvalidMessage: the fields make no key.
        InvalidItem: an attribute of ``match=`` has another value.
    """
    if any(kind == "binary" and isinstance(item[name], str) for name, kind in keys.fields.items()):
        return  # JSON has no binary: a schema's own examples show its base64 text
    identity = None if keys.is_plain else keys.identity(keys.template.format(item))
    keys.row("1" if identity is None else identity.id, item)


def _check_fields(aggregate: Aggregate, items: Sequence[Item], findings: Findings) -> Iterator[str]:
    """Check the fields that an aggregate uses; yield those about which nothing is known."""
    collection, context = aggregate.of, f"aggregate {aggregate.name!r}"
    seen = [image for item in items for image in images_of(item, aggregate.each_path)]
    uses = field_uses(aggregate.by, aggregate.stored_measures, aggregate.each_path)
    for use in (*uses, *ratio_uses(aggregate.measures, aggregate.each_path)):
        if _is_described(collection, use):
            _warn_of_types(context, collection, use, findings)
        elif items:
            _check_use(context, collection, use, seen if use.each else items, findings)
        else:
            yield use.source
            if _is_in_elements(aggregate, use):
                findings.warn(
                    f"{context}: {use.what} reads {use.source!r} of the item, which its schema does not describe; each "
                    f"element has {f'{aggregate.each}.{use.source}'!r}"
                )


def _is_in_elements(aggregate: Aggregate, use: FieldUse) -> bool:
    """Tell whether the schema describes a field of the elements that count, and not one of the item, by this name."""
    if aggregate.each_path is None or use.each:
        return False
    path = (*aggregate.each_path.steps, ELEMENT, *use.path)
    return aggregate.of.transform is None and aggregate.of.fields.is_described(path)


def _is_described(collection: Collection, use: FieldUse) -> bool:
    path = use.path_in(collection.fields)
    return collection.transform is None and (path is None or collection.fields.is_described(path))


def _check_entrances(collection: Collection, findings: Findings) -> None:
    """Look for misspelled fields in ``keep_from=`` and ``id_from=``, which an entrance reads before the transform."""
    paths = [("id_from", field_path(source_of([name]))) for name in collection.id_columns if name != "*"]
    if collection.lifetime is not None:
        paths.append(("keep_from", collection.lifetime.path))
    items = [example_item(collection, example) for example in collection.all_examples]
    if collection.lifetime is not None:
        problem = (
            f"collection {collection.name!r}: keep_from={collection.keep_from!r} has keep_unit={collection.keep_unit!r}"
        )
        _warn_of_unit(problem, collection.lifetime.path, collection.keep_unit, items, findings)
    for argument, path in paths:
        if collection.fields.is_described(path.steps) or path.steps == (collection.received_field,):
            continue
        context = f"collection {collection.name!r}: {argument}= names {path.source!r}, which"
        if not items:
            findings.warn(f"{context} was not checked, because its schema does not describe it: add examples=[…]")
        elif any(_has(value_at(item, path.steps[:-1]), path.name) for item in items):
            if all(path.read(item) is None for item in items):
                findings.warn(f"{context} is null in every example: add one that has a value")
        else:
            findings.error(f"{context} no example has: correct the name, or add an example that has it")


def _warn_of_unchecked(collection: Collection, unchecked: Iterable[str], findings: Findings) -> None:
    names = list(dict.fromkeys(unchecked))
    if not names:
        return
    problem = ", ".join(map(repr, names[:_MAX_NAMES])) + (
        f" and {len(names) - _MAX_NAMES} more" * (len(names) > _MAX_NAMES)
    )
    cause = "its transform may add or change them" if collection.transform else "its schema does not describe them"
    findings.warn(
        f"collection {collection.name!r} has no examples, so fields that aggregates and predicates use were not "
        f"checked, because {cause}: {problem}. Add examples=[…] to the collection, or examples to its schema"
    )


def _warn_of_types(context: str, collection: Collection, use: FieldUse, findings: Findings) -> None:
    types = use.types_in(collection.fields)
    if wrong := may_be_unusable(use, types):
        findings.warn(
            f"{context}: {use.what} needs {use.need}, but the schema of {collection.name!r} also allows "
            f"{in_words(wrong)}: such an item is not counted there"
        )


def _check_use(context: str, collection: Collection, use: FieldUse, items: Sequence[Item], findings: Findings) -> None:
    values = [value for item in items if (value := value_at(item, use.path)) is not None]
    types = {BINARY if isinstance(value, bytes) else type_of(value) for value in values}
    where = "after the transform" if collection.transform else "in the examples"
    if not types:
        around = [value_at(item, use.path[:-1]) for item in items]
        known = {name for found in around if isinstance(found, dict) for name in found}
        if use.path[-1] in known:
            after = " after the transform" if collection.transform else ""
            text = f"{use.source!r} is null in every example{after}: add one that has a value"
            findings.warn(f"{context}: {use.what}: {text}")
            return
        problem = unknown_field(use.source, *_place_of(use, collection), known, use.source_to(len(use.path) - 1))
        findings.error(f"{context}: {problem} {where}: correct the name, or add an example that has it")
    elif not types & use.types:
        findings.error(f"{context}: {use.what} needs {use.need}, but {use.source!r} is {in_words(types)} {where}")


def _place_of(use: FieldUse, collection: Collection) -> tuple[str, str]:
    """Return a field's own name, and what should have it, in words."""
    *outer, name = use.path
    return str(name), f"{use.source_to(len(outer))!r} of {collection.name!r}" if outer else repr(collection.name)


def _check_counting(aggregate: Aggregate, items: Sequence[Item], findings: Findings) -> None:
    counted = False
    for number, item in enumerate(items, 1):
        try:
            counted |= item_contribution(item, aggregate) is not None
        except InvalidItem as error:
            findings.error(f"example {number} of {aggregate.of.name!r} cannot be counted: {error}")
            counted = True
    for text in islice((text for item in items for text in enum_texts(aggregate, item)), 1):
        findings.error(f"aggregate {aggregate.name!r}: {text}")
    images = [image for item in items for image in images_of(item, aggregate.each_path)]
    for problem, path, unit in _times_of(aggregate):
        _warn_of_unit(problem, path, unit, images, findings)
    if items and not counted:
        findings.warn(
            f"aggregate {aggregate.name!r}: no example of {aggregate.of.name!r} is in any row: add one that is"
        )


def _times_of(aggregate: Aggregate) -> Iterator[tuple[str, FieldPath, str]]:
    """Yield each field that an aggregate reads times from, with its unit, in words and as it is."""
    context, bucket = f"aggregate {aggregate.name!r}", aggregate.bucket
    if bucket is not None:
        unit = bucket.epoch_unit
        yield f"{context}: {bucket.spelled} has unit={unit!r}", bucket.path, unit
    for name, one in aggregate.stored_measures.items():
        if isinstance(one, OrderMeasure) and one.values.at is not None:
            unit = one.values.epoch_unit
            yield f"{context}: measure {name!r} has by_unit={unit!r}", field_path(one.values.at), unit


def _warn_of_unit(problem: str, path: FieldPath, unit: str, items: Iterable[Item], findings: Findings) -> None:
    """Warn of numbers since 1970 that are read in a smaller unit than theirs: such times all fall in early 1970."""
    numbers = [value for item in items if isinstance(value := path.read(item), int | Decimal)]
    for larger, per_second in EPOCH_UNITS.items():
        if larger == unit or not numbers:
            return
        if all(_FIRST_SECONDS < Decimal(number) / per_second < _LAST_SECONDS for number in numbers):
            findings.warn(f"{problem}, and the examples' numbers, such as {numbers[0]}, look like {_UNITS[larger]}")


def _check_fields_read(
    predicate: UserPredicate, collection: Collection, items: Sequence[Item], findings: Findings
) -> None:
    """Look for misspelled fields among those that a predicate looks up, as far as its code shows them."""
    fields = collection.fields
    for use in uses_of(predicate):
        *outer, name = steps = field_path(use.source).steps
        if collection.transform is None and not use.types_in(fields):
            known = fields.names((use.path_in(fields) or steps)[:-1])
            problem = unknown_field(use.source, name, _place_of(use, collection)[1], known, use.source_to(len(outer)))
            findings.error(f"{predicate}: {problem}")
        elif items and not any(_has(value_at(item, tuple(outer)), name) for item in items):
            findings.warn(f"{predicate}: reads {use.source!r}, which no example of {collection.name!r} has")


def _has(value: object, name: str) -> bool:
    return isinstance(value, dict) and name in value


def _check_predicate(
    predicate: UserPredicate, collection: Collection, items: Sequence[Item], findings: Findings
) -> None:
    results: set[bool] = set()
    for number, item in enumerate(items, 1):
        try:
            results.add(says(predicate, deepcopy(item)))
        except FAILURES as error:  # the user's code may raise anything
            problem = describe_failure(error, predicate.function)
            element = "" if predicate.each is None else f"element {number} of {predicate.each.source!r} in the examples"
            findings.error(
                f"{predicate.what}: fails on {element or f'example {number}'} of {collection.name!r}: {problem}"
            )
            return
    if results == {False}:
        findings.warn(f"{predicate}: true for none of the examples of {collection.name!r}: add one that satisfies it")
