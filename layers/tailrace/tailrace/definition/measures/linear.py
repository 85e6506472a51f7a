"""Linear measures: each is one to three sums, which a change adds to or subtracts from.

A measure ``m`` is stored as plain top-level numbers of the row, so that any tool can read it:

===========  ===========================================  ==================================================
measure      attributes                                   value
===========  ===========================================  ==================================================
count        ``m``                                        ``m``
count_items  ``m``                                        ``m``
total        ``m``                                        ``m``
mean         ``m_total``, ``m_count``                     ``m_total / m_count``
variance     ``m_total``, ``m_count``, ``m_squares``      ``(m_squares - m_total² / m_count) / m_count``
===========  ===========================================  ==================================================

An item whose field is missing or null adds nothing to that measure, as in SQL. All sums are exact decimals, so a
variance does not suffer from cancellation as it would in floating point. Linear measures cost no writes beyond the one
for their row, however many there are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, Unpack

from msgspec import Struct

from tailrace.definition.fields.arguments import DisplayMetadata, check_field, check_predicate
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT, MAX_DIGITS, UNREPRESENTABLE, Number, is_representable
from tailrace.errors import InvalidItem, Violation

type Predicate = Callable[[Item], bool]

_DISPLAY_CONTEXT = Context(prec=MAX_DIGITS)
SMALL_INTEGER = 10**18
"""Every column can add an integer below it: its square has up to 36 digits, which DynamoDB can store."""


@dataclass(frozen=True, slots=True)
class Column:
    """One number that an item adds: 1, the value of a field, or its square. Measures share equal columns.

    Attributes:
        source: the field's path; None for a count of items.
        where: an item that does not satisfy it adds 0.
        power: 0, 1 or 2; 0 if ``source`` is None.
        once: in an aggregate with ``each=``, an item adds 1 to a row, however many of its elements are in it.
    """

    source: str | None
    where: Predicate | None
    power: int
    once: bool = False
    path: FieldPath | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        context = "count" if self.source is None else f"a measure of {self.source!r}"
        check_predicate(context, self.where)
        object.__setattr__(self, "path", None if self.source is None else field_path(self.source))

    def number(self, item: Item) -> Number:
        """Return what an item that satisfies ``where`` adds.

        Raises:
            InvalidItem: the field is not a number, or is one that DynamoDB cannot store at this power.
        """
        if self.path is None:
            return 1
        value = self.path.read(item)
        return 0 if value is None else self.number_of(value)

    def number_of(self, value: Any) -> Number:
        """Return what an item whose field has this value, not null, adds; raises as :meth:`number`."""
        power = self.power
        if type(value) is int and -SMALL_INTEGER < value < SMALL_INTEGER:
            return value if power == 1 else 1 if power == 0 else value * value
        return self._checked_number(value, "" if self.path is None else self.path.pointer)

    def _checked_number(self, value: Any, pointer: str) -> Number:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            text = f"cannot sum a value of type {type(value).__name__}"
            raise InvalidItem([Violation(pointer, "measure", text)])
        number: Number = value if self.power == 1 else 1
        if self.power == 2:  # noqa: PLR2004 - the square
            number = EXACT.multiply(value, value) if isinstance(value, Decimal) else value * value
        if not is_representable(number):
            raise InvalidItem([Violation(pointer, "digits", f"would add {UNREPRESENTABLE}")])
        return number


class Measure(Struct, frozen=True):
    """A linear measure, created by :func:`count`, :func:`count_items`, :func:`total`, :func:`mean` or :func:`variance`.

    Appending ``suffixes`` to the measure's name gives the row attributes, one for each of ``columns``.
    """

    kind: str
    columns: tuple[Column, ...]
    suffixes: tuple[str, ...]
    unit: str | None = None
    description: str | None = None

    @property
    def source(self) -> str | None:
        """The field that is summed; None for a count."""
        return self.columns[0].source

    @property
    def has_single_value(self) -> bool:
        """Whether readers get one value that rows can be ranked by."""
        return True

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields that it reads."""
        return () if self.source is None else (self.source,)

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the row attributes of the measure named ``name``."""
        return tuple(name + suffix for suffix in self.suffixes)

    def deltas(self, item: Item) -> tuple[Number, ...]:
        """Return what an item adds to each attribute.

        Raises:
            InvalidItem: the field is not a number, or is one that DynamoDB cannot store at the needed power.
        """
        where = self.columns[0].where
        if where is not None and not where(item):
            return (0,) * len(self.columns)
        return tuple(column.number(item) for column in self.columns)

    def render(self, name: str, row: Mapping[str, Any]) -> Number | None:
        """Return the measure's value from the row's attributes; None if there are no values."""
        parts = [row.get(attribute, 0) for attribute in self.attributes(name)]
        if self.kind in ("count", "count_items", "total"):
            return parts[0]  # type: ignore[no-any-return]
        if not parts[1]:
            return None
        if self.kind == "mean":
            return divide(parts[0], parts[1])
        scaled_variance = EXACT.subtract(
            EXACT.multiply(Decimal(parts[2]), Decimal(parts[1])), EXACT.power(Decimal(parts[0]), 2)
        )
        return divide(scaled_variance, parts[1] * parts[1])


def divide(numerator: Number, denominator: Number) -> Decimal:
    """Return a quotient with the digits that readers get."""
    return _DISPLAY_CONTEXT.divide(Decimal(numerator), Decimal(denominator))


def count(*, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Count the items, or those that satisfy ``where``.

    Example:
        >>> from tailrace import count
        >>> paid = count(where=lambda order: order["paid"], description="Orders that are paid.")
        >>> paid.deltas({"paid": True}), paid.deltas({"paid": False})
        ((1,), (0,))
    """
    return Measure("count", (Column(None, where, 0),), ("",), **metadata)


def count_items(*, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Count items, not their elements, in an aggregate with ``each=``.

    An item counts once in each row that has one of its elements that satisfies ``where``. Without
    ``each=``, it is the same as :func:`count`.

    Example:
        >>> from tailrace import count_items
        >>> count_items(description="Orders with this product.").attributes("orders")
        ('orders',)
    """
    return Measure("count_items", (Column(None, where, 0, once=True),), ("",), **metadata)


def total(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Sum a numeric field.

    Example:
        >>> from tailrace import total
        >>> revenue = total("amount", where=lambda order: order["paid"], unit="€")
        >>> revenue.deltas({"amount": 1250, "paid": True})
        (1250,)
    """
    check_field("total", source)
    return Measure("total", (Column(source, where, 1),), ("",), **metadata)


def mean(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Maintain the mean of a numeric field, as its sum and number of values.

    Example:
        >>> from tailrace import mean
        >>> celsius = mean("celsius", unit="°C")
        >>> celsius.deltas({"celsius": 20})
        (20, 1)
        >>> celsius.render("celsius", {"celsius_total": 41, "celsius_count": 2})
        Decimal('20.5')
    """
    check_field("mean", source)
    return Measure("mean", (Column(source, where, 1), Column(source, where, 0)), ("_total", "_count"), **metadata)


def variance(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> Measure:
    """Maintain the population variance of a numeric field, as its sum, number of values and sum of squares.

    Example:
        >>> from tailrace import variance
        >>> spread = variance("celsius", unit="°C²")
        >>> spread.deltas({"celsius": 20})
        (20, 1, 400)
        >>> spread.render("spread", {"spread_total": 42, "spread_count": 2, "spread_squares": 884})
        Decimal('1')
    """
    check_field("variance", source)
    columns = (Column(source, where, 1), Column(source, where, 0), Column(source, where, 2))
    return Measure("variance", columns, ("_total", "_count", "_squares"), **metadata)
