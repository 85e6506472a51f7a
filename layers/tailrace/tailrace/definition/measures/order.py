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
from decimal import Decimal
from typing import Any, Unpack

from tailrace.definition.fields.checks import DisplayMetadata, check_field
from tailrace.definition.fields.instants import check_epoch_unit, time_zone
from tailrace.definition.measures.linear import Predicate
from tailrace.definition.measures.value_rows import ValueCount, ValueRange, ValueSelection
from tailrace.encoding.numbers import EXACT, Number
from tailrace.errors import DefinitionError

_MAX_TOP = 100


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
    """Maintain the smallest value of a field.

    Example:
        >>> from tailrace import minimum
        >>> coldest = minimum("celsius", where=lambda reading: reading["valid"], unit="°C")
        >>> coldest.render("coldest", {"sensor": "a", "coldest": -4})
        -4
    """
    return OrderMeasure("minimum", ValueSelection(source, where), "low", **metadata)


def maximum(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Maintain the largest value of a field.

    Example:
        >>> from tailrace import maximum
        >>> longest = maximum("delay", unit="min")
        >>> longest.render("longest", {"carrier": "UA", "longest": 90})
        90
    """
    return OrderMeasure("maximum", ValueSelection(source, where), "high", **metadata)


def distinct(source: str, *, where: Predicate | None = None, **metadata: Unpack[DisplayMetadata]) -> OrderMeasure:
    """Maintain the number of different values of a field.

    Example:
        >>> from tailrace import distinct
        >>> customers = distinct("customer", description="Customers with at least one order.")
        >>> customers.render("customers", {"shop": "north", "customers": 17})
        17
    """
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

    Example:
        >>> from tailrace import quantile
        >>> median = quantile("delay", 0.5, unit="min")
        >>> median.render("median", {"carrier": "UA", "median": 12})
        12
        >>> quantile("delay", "0.99", error="0.01").values.entry({"delay": 1000}).labels  # within 1 % of it
        (Decimal('1002.421081176065'),)
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

    Example:
        >>> from tailrace import top
        >>> best = top("product", 2)
        >>> best.render("best", {"best": [{"value": "pear", "count": 3}, {"value": "fig", "count": 1}]})
        [{'value': 'pear', 'count': 3}, {'value': 'fig', 'count': 1}]
    """
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MAX_TOP:
        raise DefinitionError(f"top({source!r}): most must be an integer from 1 to {_MAX_TOP}, not {most!r}")
    return OrderMeasure("top", ValueSelection(source, where), "all", most=most, **metadata)


def first(
    source: str,
    *,
    by: str,
    tz: str = "UTC",
    by_unit: str = "s",
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain a field of the item with the earliest time ``by``, which is parsed like the field of a time bucket.

    ``tz`` is the time zone of times without an offset, ``by_unit`` the unit of numbers since 1970: ``"s"``, ``"ms"``,
    ``"us"`` or ``"ns"``.

    Raises:
        DefinitionError: the time zone or the unit is unknown.

    Example:
        >>> from tailrace import first
        >>> opened = first("status", by="changed_at", tz="Europe/Berlin")
        >>> opened.render("opened", {"opened": "new", "opened_at": "2024-10-01T06:00:00.000000Z"})
        {'value': 'new', 'at': '2024-10-01T06:00:00.000000Z'}
    """
    check_field("first(by=)", by)
    return OrderMeasure("first", _timed(source, where, by, tz, by_unit), "low", **metadata)


def last(
    source: str,
    *,
    by: str,
    tz: str = "UTC",
    by_unit: str = "s",
    where: Predicate | None = None,
    **metadata: Unpack[DisplayMetadata],
) -> OrderMeasure:
    """Maintain a field of the item with the latest time ``by``, which is parsed like the field of a time bucket.

    ``tz`` is the time zone of times without an offset, ``by_unit`` the unit of numbers since 1970: ``"s"``, ``"ms"``,
    ``"us"`` or ``"ns"``.

    Raises:
        DefinitionError: the time zone or the unit is unknown.

    Example:
        >>> from tailrace import last
        >>> status = last("status", by="changed_at", where=lambda order: not order["test"])
        >>> status.attributes("status")
        ('status', 'status_at')
    """
    check_field("last(by=)", by)
    return OrderMeasure("last", _timed(source, where, by, tz, by_unit), "high", **metadata)


def _timed(source: str, where: Predicate | None, by: str, tz: str, by_unit: str) -> ValueSelection:
    check_epoch_unit(f"a measure of {source!r} by {by!r}", by_unit)
    time_zone(tz)
    return ValueSelection(source, where, at=by, tz=tz, epoch_unit=by_unit)
