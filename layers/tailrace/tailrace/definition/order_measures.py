"""Measures that depend on the order or the variety of values: minimum, maximum, distinct, quantile, top, first, last.

They have to survive that an item changes or goes away, so no single number can hold them. They rest on *value rows*:
for each row and each value, a row of its own that counts the items with this value, an aggregate like any other with
the value as one more key. The measure is read back from these rows and written into the main row as plain attributes:

=========  ================  ===============================================================================
measure    attributes        what the main row holds
=========  ================  ===============================================================================
minimum    ``m``             the smallest value: booleans before numbers before texts
maximum    ``m``             the greatest value
distinct   ``m``             how many different values there are
quantile   ``m``             the smallest value that at least the fraction ``q`` of all values do not exceed
top        ``m``             the ``k`` most frequent values, ``[{"value": …, "count": …}]``; equals by value
first      ``m``, ``m_at``   the value of the earliest item, and its time in UTC
last       ``m``, ``m_at``   the value of the latest item, and its time in UTC; equals by value
=========  ================  ===============================================================================

Where no item has a value, the attributes are missing. The price of a change is a write for each value that it touches
(two where a value is replaced); of a batch, one read of the value rows for each touched main row: its end for minimum,
maximum, first and last, all of it for the others. Measures of the same field, ``where`` and error share their rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache
from typing import Any, Literal, Unpack

from tailrace.definition.checks import About, check_field, check_predicate
from tailrace.definition.groups import instant, zone_of
from tailrace.definition.measures import Item, Predicate
from tailrace.encoding.numbers import EXACT, LARGEST_EXPONENT, SMALLEST_EXPONENT, Number, normal
from tailrace.encoding.sort_keys import checked, sortable, utc_text
from tailrace.errors import DefinitionError, InvalidItem, Violation

type Reach = Literal["low", "high", "all"]

VALUE, AT = "value", "at"
"""The attributes of a value row: the value, and for first and last the time."""

MOST_VALUE_BYTES = 1024
"""A value is the sort key of its row: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_LOGARITHMS = Context(prec=34)
_REPRESENTATIVE = Context(prec=16)
_LEAST, _GREATEST = Decimal(f"1E{SMALLEST_EXPONENT}"), Decimal(f"9.999999999999999E+{LARGEST_EXPONENT}")
_MOST_TOP = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One item's value: its sort key, and the attributes of its value row in the order of :attr:`Values.labels`."""

    sort: str
    labels: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """One value row as it was read: its attributes as in :class:`Entry`, and how many items have the value."""

    labels: tuple[Any, ...]
    items: Number


@dataclass(frozen=True, slots=True)
class Values:
    """Which values of an item are kept; measures for which this is equal share their value rows.

    Attributes:
        source: the field.
        where: takes only the items for which this holds.
        at: the field of the time, for first and last.
        tz: the time zone of times without an offset.
        error: rounds numbers so that none is off by more than this fraction of itself.
    """

    source: str
    where: Predicate | None = None
    at: str | None = None
    tz: str = "UTC"
    error: Decimal | None = None

    def __post_init__(self) -> None:
        here = f"a measure of {self.source!r}"
        check_field(here, self.source)
        check_predicate(here, self.where)

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes that a value row has beside its count."""
        return (VALUE,) if self.at is None else (VALUE, AT)

    def entry(self, item: Item) -> Entry | None:
        """Return an item's value; None where the field (or the time) is missing or null, or ``where`` does not hold.

        Raises:
            InvalidItem: the value has no order, is too long for a key, or the time cannot be read.
        """
        if self.where is not None and not self.where(item):
            return None
        value = item.get(self.source)
        if value is None:
            return None
        checked(value, self.source)
        if self.error is not None:
            value = self._rounded(value)
        sort = sortable(value)
        labels: tuple[Any, ...] = (value,)
        if self.at is not None:
            time = item.get(self.at)
            if time is None:
                return None
            at = utc_text(instant(time, zone_of(self.tz), self.at))
            sort, labels = f"{at}#{sort}", (value, at)
        if len(sort) * 4 > MOST_VALUE_BYTES and len(sort.encode()) > MOST_VALUE_BYTES:
            text = f"a value of {len(sort.encode())} bytes, and a key takes {MOST_VALUE_BYTES}"
            raise InvalidItem([Violation(f"/{self.source}", "measure", text)])
        return Entry(sort, labels)

    def _rounded(self, value: Any) -> Number:
        if isinstance(value, bool | str):
            text = f"a {type(value).__name__} cannot be rounded: a quantile with an error takes numbers"
            raise InvalidItem([Violation(f"/{self.source}", "measure", text)])
        return rounded(value, self.error or Decimal(0))


@lru_cache(maxsize=65_536)
def rounded(value: Number, error: Decimal) -> Number:
    """Return one number for all that are near each other, off by at most the fraction ``error`` of each.

    The numbers are cut where logarithms to the base (1 + e) / (1 - e) are whole, as in DDSketch (Masson, Rim, Lee 2019,
    https://arxiv.org/abs/1908.10693). Decimal logarithms, since they come out the same on every machine.
    """
    if not value:
        return 0
    with_reserve = error * Decimal("0.999999")  # for the digits that the result leaves out
    base = _LOGARITHMS.divide(1 + with_reserve, 1 - with_reserve)
    size = abs(Decimal(value))
    step = _LOGARITHMS.divide(_LOGARITHMS.ln(size), _LOGARITHMS.ln(base)).to_integral_value(ROUND_CEILING)
    middle = _LOGARITHMS.divide(2 * _LOGARITHMS.power(base, step), base + 1)
    # between any number that the table holds and one beyond all of them lies the last one that it holds
    result = min(max(_REPRESENTATIVE.plus(middle), _LEAST), _GREATEST)
    return normal((-result if value < 0 else result).normalize())


@dataclass(frozen=True, slots=True)
class OrderMeasure:
    """One measure on value rows; made by the functions below.

    ``fraction`` is the quantile's, ``most`` the number of values of a top list.
    """

    kind: str
    values: Values
    reach: Reach
    fraction: Decimal = Decimal(0)
    most: int = 0
    unit: str | None = None
    description: str | None = None

    @property
    def source(self) -> str:
        """The field whose values it keeps."""
        return self.values.source

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the names of the main row's attributes for the measure called ``name``."""
        return (name,) if self.values.at is None else (name, f"{name}_at")

    def state(self, name: str, counts: Sequence[Count]) -> dict[str, Any]:
        """Return the main row's attributes from the value rows, which are in order and count at least one item each.

        Of :attr:`reach` ``low`` and ``high`` only that end has to be there. Empty where there are no values.
        """
        if not counts:
            return {}
        match self.kind:
            case "distinct":
                return {name: len(counts)}
            case "quantile":
                return {name: _quantile(counts, self.fraction)}
            case "top":
                ranked = sorted(counts, key=lambda count: -count.items)[: self.most]  # stable: equals by value
                return {name: [{"value": count.labels[0], "count": count.items} for count in ranked]}
            case _:
                end = counts[0] if self.reach == "low" else counts[-1]
                return dict(zip(self.attributes(name), end.labels, strict=True))

    def present(self, name: str, row: Mapping[str, Any]) -> Any:
        """Return the measure as a reader sees it; None where there is no value, 0 for distinct."""
        if self.values.at is not None:
            return None if name not in row else {"value": row[name], "at": row[f"{name}_at"]}
        return row.get(name, {"distinct": 0, "top": []}.get(self.kind))


def _quantile(counts: Sequence[Count], fraction: Decimal) -> Any:
    wanted = max(EXACT.multiply(fraction, Decimal(sum(count.items for count in counts))), Decimal(1))
    below: Number = 0
    for count in counts:
        below += count.items
        if below >= wanted:
            return count.labels[0]
    return counts[-1].labels[0]


def minimum(source: str, *, where: Predicate | None = None, **about: Unpack[About]) -> OrderMeasure:
    """Keep the smallest value of a field."""
    return OrderMeasure("minimum", Values(source, where), "low", **about)


def maximum(source: str, *, where: Predicate | None = None, **about: Unpack[About]) -> OrderMeasure:
    """Keep the greatest value of a field."""
    return OrderMeasure("maximum", Values(source, where), "high", **about)


def distinct(source: str, *, where: Predicate | None = None, **about: Unpack[About]) -> OrderMeasure:
    """Count the different values of a field."""
    return OrderMeasure("distinct", Values(source, where), "all", **about)


def quantile(
    source: str,
    fraction: float | Decimal | str,
    *,
    error: float | Decimal | str | None = None,
    where: Predicate | None = None,
    **about: Unpack[About],
) -> OrderMeasure:
    """Keep a quantile of a field: the smallest value that at least ``fraction`` of the values do not exceed.

    With an ``error`` the values are rounded first, none by more than this fraction of itself, which bounds the number
    of value rows: of numbers from 1 to a million with an error of 0.01 there are fewer than 700.

    Raises:
        DefinitionError: the fraction is not from 0 to 1, or the error not above 0 and at most 0.5.
    """
    at = _fraction("a quantile's fraction", fraction)
    off = None if error is None else _fraction("a quantile's error", error)
    if not 0 <= at <= 1:
        raise DefinitionError(f"quantile({source!r}): the fraction is from 0 to 1, not {fraction}")
    if off is not None and not 0 < off <= Decimal("0.5"):
        raise DefinitionError(f"quantile({source!r}): the error is above 0 and at most 0.5, not {error}")
    return OrderMeasure("quantile", Values(source, where, error=off), "all", fraction=at, **about)


def _fraction(what: str, value: float | Decimal | str) -> Decimal:
    try:
        found = Decimal(str(value))
    except ArithmeticError as error:
        raise DefinitionError(f"{what} is a number, not {value!r}") from error
    if not found.is_finite():
        raise DefinitionError(f"{what} is a number, not {value!r}")
    return found


def top(source: str, most: int, *, where: Predicate | None = None, **about: Unpack[About]) -> OrderMeasure:
    """Keep the ``most`` most frequent values of a field, with how often each occurs.

    Raises:
        DefinitionError: it is not a whole number from 1 to 100.
    """
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MOST_TOP:
        raise DefinitionError(f"top({source!r}): keeps 1 to {_MOST_TOP} values, not {most!r}")
    return OrderMeasure("top", Values(source, where), "all", most=most, **about)


def first(
    source: str, *, by: str, tz: str = "UTC", where: Predicate | None = None, **about: Unpack[About]
) -> OrderMeasure:
    """Keep a field of the item whose time ``by`` is the earliest; ``by`` is read as a time bucket's field is.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    check_field("first(by=)", by)
    zone_of(tz)
    return OrderMeasure("first", Values(source, where, at=by, tz=tz), "low", **about)


def last(
    source: str, *, by: str, tz: str = "UTC", where: Predicate | None = None, **about: Unpack[About]
) -> OrderMeasure:
    """Keep a field of the item whose time ``by`` is the latest; ``by`` is read as a time bucket's field is.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    check_field("last(by=)", by)
    zone_of(tz)
    return OrderMeasure("last", Values(source, where, at=by, tz=tz), "high", **about)
