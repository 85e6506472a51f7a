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

from tailrace.definition.checks import DisplayMetadata, check_field, check_predicate
from tailrace.definition.groups import parse_instant, time_zone
from tailrace.definition.measures import Predicate
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT, MAX_EXPONENT, MIN_EXPONENT, Number, canonical_number
from tailrace.encoding.sort_keys import check_sort_value, encode_sort_key, utc_text
from tailrace.errors import DefinitionError, InvalidItem, Violation

type ValueRange = Literal["low", "high", "all"]

VALUE, AT = "value", "at"
"""The attributes of a value row: the value, and for first and last the time."""

MAX_VALUE_BYTES = 1024
"""A value is the sort key of its row: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_LOG_CONTEXT = Context(prec=34)
_REPRESENTATIVE_CONTEXT = Context(prec=16)
_SMALLEST, _LARGEST = Decimal(f"1E{MIN_EXPONENT}"), Decimal(f"9.999999999999999E+{MAX_EXPONENT}")
_MAX_TOP = 100


@dataclass(frozen=True, slots=True)
class ValueEntry:
    """One item's value: its sort key, and its value row's attributes in the order of :attr:`ValueSelection.labels`."""

    sort_key: str
    labels: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ValueCount:
    """One value row as it was read: its attributes as in :class:`ValueEntry`, and how many items have the value."""

    labels: tuple[Any, ...]
    items: Number


@dataclass(frozen=True, slots=True)
class ValueSelection:
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
        context = f"a measure of {self.source!r}"
        check_field(context, self.source)
        check_predicate(context, self.where)

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes that a value row has beside its count."""
        return (VALUE,) if self.at is None else (VALUE, AT)

    def entry(self, item: Item) -> ValueEntry | None:
        """Return an item's value; None where the field (or the time) is missing or null, or ``where`` does not hold.

        Raises:
            InvalidItem: the value has no order, is too long for a key, or the time cannot be read.
        """
        if self.where is not None and not self.where(item):
            return None
        value = item.get(self.source)
        if value is None:
            return None
        check_sort_value(value, self.source)
        if self.error is not None:
            value = self._rounded(value)
        sort_key = encode_sort_key(value)
        labels: tuple[Any, ...] = (value,)
        if self.at is not None:
            time = item.get(self.at)
            if time is None:
                return None
            at = utc_text(parse_instant(time, time_zone(self.tz), self.at))
            sort_key, labels = f"{at}#{sort_key}", (value, at)
        if len(sort_key) * 4 > MAX_VALUE_BYTES and len(sort_key.encode()) > MAX_VALUE_BYTES:
            text = f"a value of {len(sort_key.encode())} bytes, and a key takes {MAX_VALUE_BYTES}"
            raise InvalidItem([Violation(f"/{self.source}", "measure", text)])
        return ValueEntry(sort_key, labels)

    def _rounded(self, value: Any) -> Number:
        if isinstance(value, bool | str):
            text = f"a {type(value).__name__} cannot be rounded: a quantile with an error takes numbers"
            raise InvalidItem([Violation(f"/{self.source}", "measure", text)])
        return round_to_bin(value, self.error or Decimal(0))


@lru_cache(maxsize=65_536)
def round_to_bin(value: Number, error: Decimal) -> Number:
    """Return one number for all that are near each other, off by at most the fraction ``error`` of each.

    The numbers are cut where logarithms to the base (1 + e) / (1 - e) are whole, as in DDSketch (Masson, Rim, Lee 2019,
    https://arxiv.org/abs/1908.10693). Decimal logarithms, since they come out the same on every machine.
    """
    if not value:
        return 0
    tolerance = error * Decimal("0.999999")  # for the digits that the result leaves out
    base = _LOG_CONTEXT.divide(1 + tolerance, 1 - tolerance)
    magnitude = abs(Decimal(value))
    bin_index = _LOG_CONTEXT.divide(_LOG_CONTEXT.ln(magnitude), _LOG_CONTEXT.ln(base)).to_integral_value(ROUND_CEILING)
    representative = _LOG_CONTEXT.divide(2 * _LOG_CONTEXT.power(base, bin_index), base + 1)
    # between any number that the table holds and one beyond all of them lies the last one that it holds
    result = min(max(_REPRESENTATIVE_CONTEXT.plus(representative), _SMALLEST), _LARGEST)
    return canonical_number((-result if value < 0 else result).normalize())


@dataclass(frozen=True, slots=True)
class OrderMeasure:
    """One measure on value rows; made by the functions below.

    ``fraction`` is the quantile's, ``most`` the number of values of a top list.
    """

    kind: str
    values: ValueSelection
    value_range: ValueRange
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

    def state(self, name: str, counts: Sequence[ValueCount]) -> dict[str, Any]:
        """Return the main row's attributes from the value rows, which are in order and count at least one item each.

        Of :attr:`value_range` ``low`` and ``high`` only that end has to be there. Empty where there are no values.
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
                end = counts[0] if self.value_range == "low" else counts[-1]
                return dict(zip(self.attributes(name), end.labels, strict=True))

    def render(self, name: str, row: Mapping[str, Any]) -> Any:
        """Return the measure as a reader sees it; None where there is no value, 0 for distinct."""
        if self.values.at is not None:
            return None if name not in row else {"value": row[name], "at": row[f"{name}_at"]}
        return row.get(name, {"distinct": 0, "top": []}.get(self.kind))


def _quantile(counts: Sequence[ValueCount], fraction: Decimal) -> Any:
    target_rank = max(EXACT.multiply(fraction, Decimal(sum(count.items for count in counts))), Decimal(1))
    cumulative: Number = 0
    for count in counts:
        cumulative += count.items
        if cumulative >= target_rank:
            return count.labels[0]
    return counts[-1].labels[0]


def minimum(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Keep the smallest value of a field."""
    return OrderMeasure("minimum", ValueSelection(source, where), "low", **metadata)


def maximum(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Keep the greatest value of a field."""
    return OrderMeasure("maximum", ValueSelection(source, where), "high", **metadata)


def distinct(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Count the different values of a field."""
    return OrderMeasure("distinct", ValueSelection(source, where), "all", **metadata)


def quantile(
    source: str,
    fraction: float | Decimal | str,
    *,
    error: float | Decimal | str | None = None,
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Keep a quantile of a field: the smallest value that at least ``fraction`` of the values do not exceed.

    With an ``error`` the values are rounded first, none by more than this fraction of itself, which bounds the number
    of value rows: of numbers from 1 to a million with an error of 0.01 there are fewer than 700.

    Raises:
        DefinitionError: the fraction is not from 0 to 1, or the error not above 0 and at most 0.5.
    """
    at = _parse_fraction("a quantile's fraction", fraction)
    relative_error = None if error is None else _parse_fraction("a quantile's error", error)
    if not 0 <= at <= 1:
        raise DefinitionError(f"quantile({source!r}): the fraction is from 0 to 1, not {fraction}")
    if relative_error is not None and not 0 < relative_error <= Decimal("0.5"):
        raise DefinitionError(f"quantile({source!r}): the error is above 0 and at most 0.5, not {error}")
    return OrderMeasure("quantile", ValueSelection(source, where, error=relative_error), "all", fraction=at, **metadata)


def _parse_fraction(what: str, value: float | Decimal | str) -> Decimal:
    try:
        found = Decimal(str(value))
    except ArithmeticError as error:
        raise DefinitionError(f"{what} is a number, not {value!r}") from error
    if not found.is_finite():
        raise DefinitionError(f"{what} is a number, not {value!r}")
    return found


def top(source: str, most: int, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Keep the ``most`` most frequent values of a field, with how often each occurs.

    Raises:
        DefinitionError: it is not a whole number from 1 to 100.
    """
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MAX_TOP:
        raise DefinitionError(f"top({source!r}): keeps 1 to {_MAX_TOP} values, not {most!r}")
    return OrderMeasure("top", ValueSelection(source, where), "all", most=most, **metadata)


def first(
    source: str, *, by: str, tz: str = "UTC", where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]
) -> OrderMeasure:
    """Keep a field of the item whose time ``by`` is the earliest; ``by`` is read as a time bucket's field is.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    check_field("first(by=)", by)
    time_zone(tz)
    return OrderMeasure("first", ValueSelection(source, where, at=by, tz=tz), "low", **metadata)


def last(
    source: str, *, by: str, tz: str = "UTC", where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]
) -> OrderMeasure:
    """Keep a field of the item whose time ``by`` is the latest; ``by`` is read as a time bucket's field is.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    check_field("last(by=)", by)
    time_zone(tz)
    return OrderMeasure("last", ValueSelection(source, where, at=by, tz=tz), "high", **metadata)
