"""What an aggregate keeps of its items: linear measures, each a few sums that can be added to and taken from.

A measure ``m`` is stored as plain top-level numbers of the row, so that any tool can read them:

=========  ===========================================  ==================================================
measure    attributes                                   what a reader makes of them
=========  ===========================================  ==================================================
count      ``m``                                        ``m``
total      ``m``                                        ``m``
mean       ``m_total``, ``m_count``                     ``m_total / m_count``
variance   ``m_total``, ``m_count``, ``m_squares``      ``(m_squares - m_total² / m_count) / m_count``
=========  ===========================================  ==================================================

An item whose field is missing or null adds nothing to that measure (as in SQL). All sums are exact decimals, so the
sum of squares loses nothing to cancellation, which it would in floating point. A change costs no write beyond the one
for its row, whatever the number of linear measures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Unpack

from tailrace.definition.checks import DisplayMetadata, check_field, check_predicate
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT, MAX_DIGITS, UNREPRESENTABLE, Number, is_representable
from tailrace.errors import InvalidItem, Violation

type Predicate = Callable[[Item], bool]

_DISPLAY_CONTEXT = Context(prec=MAX_DIGITS)
_SMALL_INTEGER = 10**18  # its square has 37 digits, which DynamoDB holds


@dataclass(frozen=True, slots=True)
class Column:
    """One number that an item adds: 1, the value of a field, or its square; measures that need the same share it.

    ``power`` is 0, 1 or 2; of a ``source`` of None 0. An item for which ``where`` does not hold adds 0.
    """

    source: str | None
    where: Predicate | None
    power: int

    def __post_init__(self) -> None:
        context = "count" if self.source is None else f"a measure of {self.source!r}"
        check_predicate(context, self.where)

    def number(self, item: Item) -> Number:
        """Return what an item adds for which ``where`` holds.

        Raises:
            InvalidItem: the field holds something that is not a number, or more digits than DynamoDB can sum.
        """
        if self.source is None:
            return 1
        value = item.get(self.source)
        if value is None:
            return 0
        power = self.power
        if type(value) is int and -_SMALL_INTEGER < value < _SMALL_INTEGER:
            return value if power == 1 else 1 if power == 0 else value * value
        return self._checked_number(value)

    def _checked_number(self, value: Any) -> Number:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise InvalidItem([Violation(f"/{self.source}", "measure", f"a {type(value).__name__} cannot be summed")])
        number: Number = value if self.power == 1 else 1
        if self.power == 2:  # noqa: PLR2004 - the square
            number = EXACT.multiply(value, value) if isinstance(value, Decimal) else value * value
        if not is_representable(number):
            raise InvalidItem([Violation(f"/{self.source}", "digits", f"it takes {UNREPRESENTABLE}")])
        return number


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure; made by :func:`count`, :func:`total`, :func:`mean` and :func:`variance`.

    ``suffixes`` are appended to the measure's name and give the row's attributes, one for each of ``columns``.
    """

    kind: str
    columns: tuple[Column, ...]
    suffixes: tuple[str, ...]
    unit: str | None = None
    description: str | None = None

    @property
    def source(self) -> str | None:
        """The field that is summed, if it is one."""
        return self.columns[0].source

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the names of the row's attributes for the measure called ``name``."""
        return tuple(name + suffix for suffix in self.suffixes)

    def deltas(self, item: Item) -> tuple[Number, ...]:
        """Return what an item adds to each attribute.

        Raises:
            InvalidItem: the field holds something that is not a number, or more digits than DynamoDB can sum.
        """
        where = self.columns[0].where
        if where is not None and not where(item):
            return (0,) * len(self.columns)
        return tuple(column.number(item) for column in self.columns)

    def render(self, name: str, row: Mapping[str, Any]) -> Number | None:
        """Return the measure's value as a reader sees it, from the row's attributes; None where there is none."""
        parts = [row.get(attribute, 0) for attribute in self.attributes(name)]
        if self.kind in ("count", "total"):
            return parts[0]  # type: ignore[no-any-return]
        if not parts[1]:
            return None
        if self.kind == "mean":
            return _divide(parts[0], parts[1])
        scaled_variance = EXACT.subtract(
            EXACT.multiply(Decimal(parts[2]), Decimal(parts[1])), EXACT.power(Decimal(parts[0]), 2)
        )
        return _divide(scaled_variance, parts[1] * parts[1])


def _divide(numerator: Number, denominator: Number) -> Decimal:
    return _DISPLAY_CONTEXT.divide(Decimal(numerator), Decimal(denominator))


def count(*, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Count the items (for which ``where`` holds)."""
    return Measure("count", (Column(None, where, 0),), ("",), **metadata)


def total(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Sum a field."""
    check_field("total", source)
    return Measure("total", (Column(source, where, 1),), ("",), **metadata)


def mean(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Keep the mean of a field, as its sum and the number of values."""
    check_field("mean", source)
    return Measure("mean", (Column(source, where, 1), Column(source, where, 0)), ("_total", "_count"), **metadata)


def variance(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Keep the population variance of a field, as its sum, the number of values and the sum of their squares."""
    check_field("variance", source)
    columns = (Column(source, where, 1), Column(source, where, 0), Column(source, where, 2))
    return Measure("variance", columns, ("_total", "_count", "_squares"), **metadata)
