"""Order measures, which depend on the set of values: minimum, maximum, distinct, quantile, top, first, last.

Items change and disappear, so a single number cannot maintain such a measure. It is derived from *value rows*: for
each main row and each value, one row that counts the items with that value, like a row of an aggregate with the value
as one more group. The result is written to the main row as plain attributes:

=========  ================  ===============================================================================
measure    attributes        value in the main row
=========  ================  ===============================================================================
minimum    ``m``             the smallest value; booleans before numbers before strings
maximum    ``m``             the largest value
distinct   ``m``             the number of different values
quantile   ``m``             the smallest value that at least the fraction ``q`` of all values do not exceed
top        ``m``             the ``k`` most frequent values, ``[{"value": …, "count": …}]``; ties by value
first      ``m``, ``m_at``   the value of the earliest item, and its time in UTC; ties by value
last       ``m``, ``m_at``   the value of the latest item, and its time in UTC; ties by value
=========  ================  ===============================================================================

If no item has a value, the attributes are missing. A change costs one write for each value that it touches (two if a
value is replaced). A batch costs one query of the value rows for each touched main row: of one end for minimum,
maximum, first and last, of all value rows for the others. Measures with equal field, ``where`` and error share them.
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
"""The attributes of a value row: the value and, for first and last, the time."""

MAX_VALUE_BYTES = 1024
"""A value is its row's sort key: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_LOG_CONTEXT = Context(prec=34)
_REPRESENTATIVE_CONTEXT = Context(prec=16)
_SMALLEST, _LARGEST = Decimal(f"1E{MIN_EXPONENT}"), Decimal(f"9.999999999999999E+{MAX_EXPONENT}")
_MAX_TOP = 100


@dataclass(frozen=True, slots=True)
class ValueEntry:
    """An item's value: its value row's sort key, and attributes in the order of :attr:`ValueSelection.labels`."""

    sort_key: str
    labels: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value row as read: its attributes, as in :class:`ValueEntry`, and the number of items with the value."""

    labels: tuple[Any, ...]
    items: Number


@dataclass(frozen=True, slots=True)
class ValueSelection:
    """The values that a measure is derived from; measures with equal selections share their value rows.

    Attributes:
        source: the field.
        where: restricts the selection to the items that satisfy this predicate.
        at: the field with the time, for first and last.
        tz: the time zone of times without an offset.
        error: the largest relative error to which numbers are rounded; None does not round.
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
        """The attributes of a value row other than its count."""
        return (VALUE,) if self.at is None else (VALUE, AT)

    def entry(self, item: Item) -> ValueEntry | None:
        """Return an item's value; None if the field or time is missing or null, or the item does not satisfy ``where``.

        Raises:
            InvalidItem: the value has no order or is too long for a key, or the time cannot be parsed.
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
            text = f"a value of {len(sort_key.encode())} bytes exceeds the key limit of {MAX_VALUE_BYTES}"
            raise InvalidItem([Violation(f"/{self.source}", "measure", text)])
        return ValueEntry(sort_key, labels)

    def _rounded(self, value: Any) -> Number:
        if isinstance(value, bool | str):
            text = f"cannot round a value of type {type(value).__name__}; quantile(error=) requires numbers"
            raise InvalidItem([Violation(f"/{self.source}", "measure", text)])
        return round_to_bin(value, self.error or Decimal(0))


@lru_cache(maxsize=65_536)
def round_to_bin(value: Number, error: Decimal) -> Number:
    """Round a number to the representative of its bin, which differs from it by at most the fraction ``error``.

    Bin boundaries are the powers of (1 + e) / (1 - e), as in DDSketch (Masson, Rim, Lee 2019,
    https://arxiv.org/abs/1908.10693). Decimal logarithms give the same result on every machine.
    """
    if not value:
        return 0
    tolerance = error * Decimal("0.999999")  # the margin is for rounding the representative to 16 digits
    base = _LOG_CONTEXT.divide(1 + tolerance, 1 - tolerance)
    magnitude = abs(Decimal(value))
    bin_index = _LOG_CONTEXT.divide(_LOG_CONTEXT.ln(magnitude), _LOG_CONTEXT.ln(base)).to_integral_value(ROUND_CEILING)
    representative = _LOG_CONTEXT.divide(2 * _LOG_CONTEXT.power(base, bin_index), base + 1)
    # clamping to DynamoDB's range only brings the representative closer to the value
    result = min(max(_REPRESENTATIVE_CONTEXT.plus(representative), _SMALLEST), _LARGEST)
    return canonical_number((-result if value < 0 else result).normalize())


@dataclass(frozen=True, slots=True)
class OrderMeasure:
    """A measure derived from value rows, created by the functions below.

    ``fraction`` belongs to quantile; ``most`` is the length of a top list.
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
        """The field whose values are kept."""
        return self.values.source

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the main row's attributes of the measure named ``name``."""
        return (name,) if self.values.at is None else (name, f"{name}_at")

    def state(self, name: str, counts: Sequence[ValueCount]) -> dict[str, Any]:
        """Return the main row's attributes from its value rows, which are sorted and count at least one item each.

        If :attr:`value_range` is ``low`` or ``high``, that end is enough. Empty if there are no values.
        """
        if not counts:
            return {}
        match self.kind:
            case "distinct":
                return {name: len(counts)}
            case "quantile":
                return {name: _quantile(counts, self.fraction)}
            case "top":
                ranked = sorted(counts, key=lambda count: -count.items)[: self.most]  # stable: ties by value
                return {name: [{"value": count.labels[0], "count": count.items} for count in ranked]}
            case _:
                end = counts[0] if self.value_range == "low" else counts[-1]
                return dict(zip(self.attributes(name), end.labels, strict=True))

    def render(self, name: str, row: Mapping[str, Any]) -> Any:
        """Return the measure as readers get it; without values 0 for distinct, [] for top and None for the others."""
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
    """Maintain the smallest value of a field."""
    return OrderMeasure("minimum", ValueSelection(source, where), "low", **metadata)


def maximum(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Maintain the largest value of a field."""
    return OrderMeasure("maximum", ValueSelection(source, where), "high", **metadata)


def distinct(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Maintain the number of different values of a field."""
    return OrderMeasure("distinct", ValueSelection(source, where), "all", **metadata)


def quantile(
    source: str,
    fraction: float | Decimal | str,
    *,
    error: float | Decimal | str | None = None,
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain a quantile of a field: the smallest value that at least ``fraction`` of the values do not exceed.

    ``error`` rounds each value by at most this fraction of itself, which bounds the number of value rows: numbers from
    1 to a million have fewer than 700 at 0.01.

    Raises:
        DefinitionError: the fraction is not from 0 to 1, or the error is not above 0 and at most 0.5.
    """
    at = _parse_fraction(f"quantile({source!r}): fraction", fraction)
    relative_error = None if error is None else _parse_fraction(f"quantile({source!r}): error=", error)
    if not 0 <= at <= 1:
        raise DefinitionError(f"quantile({source!r}): fraction must be from 0 to 1, not {fraction}")
    if relative_error is not None and not 0 < relative_error <= Decimal("0.5"):
        raise DefinitionError(f"quantile({source!r}): error= must be above 0 and at most 0.5, not {error}")
    return OrderMeasure("quantile", ValueSelection(source, where, error=relative_error), "all", fraction=at, **metadata)


def _parse_fraction(what: str, value: float | Decimal | str) -> Decimal:
    try:
        found = Decimal(str(value))
    except ArithmeticError as error:
        raise DefinitionError(f"{what} must be a number, not {value!r}") from error
    if not found.is_finite():
        raise DefinitionError(f"{what} must be a number, not {value!r}")
    return found


def top(source: str, most: int, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Maintain the ``most`` most frequent values of a field, with the number of items of each.

    Raises:
        DefinitionError: ``most`` is not an integer from 1 to 100.
    """
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MAX_TOP:
        raise DefinitionError(f"top({source!r}): most must be an integer from 1 to {_MAX_TOP}, not {most!r}")
    return OrderMeasure("top", ValueSelection(source, where), "all", most=most, **metadata)


def first(
    source: str, *, by: str, tz: str = "UTC", where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]
) -> OrderMeasure:
    """Maintain a field of the item with the earliest time ``by``, which is parsed like the field of a time bucket.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    check_field("first(by=)", by)
    time_zone(tz)
    return OrderMeasure("first", ValueSelection(source, where, at=by, tz=tz), "low", **metadata)


def last(
    source: str, *, by: str, tz: str = "UTC", where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]
) -> OrderMeasure:
    """Maintain a field of the item with the latest time ``by``, which is parsed like the field of a time bucket.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    check_field("last(by=)", by)
    time_zone(tz)
    return OrderMeasure("last", ValueSelection(source, where, at=by, tz=tz), "high", **metadata)
