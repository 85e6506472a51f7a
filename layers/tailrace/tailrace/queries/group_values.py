"""Group values as given in a request, as the texts of keys. Numbers are compared by value: 2.50 and 25e-1 are 2.5."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from msgspec import Struct

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.field_uses import field_uses
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import FieldGroup, Group
from tailrace.encoding.numbers import is_representable, parse_number
from tailrace.errors import InvalidMessage
from tailrace.queries.time_ranges import bucket_label


class GivenGroup(Struct, frozen=True):
    """The values given for a group: the texts of the keys to read, and those of them that are exact."""

    group: Group
    texts: tuple[str, ...]
    exact: tuple[str, ...] | None = None
    """If a number was given in another spelling, and the group may also hold texts: the texts that were meant."""


def given_group(aggregate: Aggregate, group: Group, values: Sequence[str]) -> GivenGroup:
    """Return a group's values as the texts of keys.

    Raises:
        InvalidMessage: a time bucket's value is not a time, or spans several buckets.
    """
    if isinstance(group, BucketGroup):
        return GivenGroup(group, tuple(bucket_label(group, value) for value in values))
    types = _types(aggregate, group)
    numbers = {value: _number_text(group, value) if "number" in types else value for value in values}
    if "string" not in types:
        return GivenGroup(group, tuple(dict.fromkeys(numbers.values())))
    texts = tuple(dict.fromkeys(text for value in values for text in (value, numbers[value])))
    return GivenGroup(group, texts, None if len(texts) == len(values) else tuple(values))


def combinations(groups: Sequence[GivenGroup]) -> list[tuple[str, ...]]:
    """Return each combination of the groups' texts, in key order of the first."""
    return list(product(*(given.texts for given in groups)))


def _types(aggregate: Aggregate, group: Group) -> frozenset[str]:
    """Return the types that a group's values may have, at least."""
    if aggregate.of.transform is not None:
        return frozenset(["string", "number"])
    *_, use = field_uses([group], {}, aggregate.each_path)
    return use.types_in(aggregate.of.fields)


def _number_text(group: Group, value: str) -> str:
    """Return the text of a number in keys; for any other text, the text itself.

    Where a client does not escape a plus sign, as in ``?price=1e+21``, the query string has a space.
    """
    try:
        number: Any = parse_number(value.replace(" ", "+"))
        # a number that no row can have would be rounded to one that rows may have
        return group.text(number) if isinstance(group, FieldGroup) and is_representable(number) else value
    except (InvalidMessage, ArithmeticError):
        return value
