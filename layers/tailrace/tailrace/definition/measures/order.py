"""Order measures, which depend on the set of values: extremes, ranked lists, distinct values, quantiles, first, last.

Items change and disappear, so a single number cannot maintain such a measure. It is derived from *value rows*: for
each main row and each value, one row that counts the items with that value, like a row of an aggregate with the value
as one more group. The result is written to the main row as plain attributes:

=========  ================  ===============================================================================
measure    attributes        value in the main row
=========  ================  ===============================================================================
minimum    ``m``             the smallest value; booleans before numbers before strings
maximum    ``m``             the largest value
largest    ``m``             the ``k`` largest values, ``[{"value": …, "<field>": …}]`` with fields of their items
smallest   ``m``             the ``k`` smallest values, likewise
distinct   ``m``             the number of different values
quantile   ``m``             the smallest value that at least the fraction ``q`` of all values do not exceed
top        ``m``             the ``k`` most frequent values, ``[{"value": …, "count": …}]``; ties by value
first      ``m``, ``m_at``   the value of the earliest item, and its time in UTC; ties by value
last       ``m``, ``m_at``   the value of the latest item, and its time in UTC; ties by value
=========  ================  ===============================================================================

With ``by_value=``, a number, text or boolean orders first and last, and replaces the time as ``m_by``.

If no item has a value, the attributes are missing, or 0 for distinct. A change costs one write for each value that it
touches (two if a value is replaced). Distinct costs one more for each value that appears or disappears
(:mod:`tailrace.aggregation.values.counted_values`). Distinct and top read each touched value row
(:mod:`tailrace.aggregation.values.frequent_values`). For minimum, maximum, largest, smallest, first and last, a batch
costs one query of one end of the value rows for each touched main row. For quantile, further rows count the items of
neighboring values, and a batch reads these and a few values (:mod:`tailrace.aggregation.values.ranks`). Measures with
equal field, ``where``, error, order and shown fields share value rows.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import chain, islice, repeat
from typing import Any, Unpack

from msgspec import Struct

from tailrace.definition.fields.arguments import DisplayMetadata
from tailrace.definition.measures.linear import Predicate
from tailrace.definition.measures.value_rows import VALUE, ValueCount, ValueRange, ValueSelection
from tailrace.encoding.numbers import EXACT, Number
from tailrace.errors import DefinitionError

_MAX_TOP = 100

_LEAST_ERROR = Decimal("1E-9")
"""Values are rounded to 16 digits, so a smaller error would be exceeded; and it would hardly merge any."""


class OrderMeasure(Struct, frozen=True):
    """A measure from value rows, created by the functions here and in :mod:`tailrace.definition.measures.ranked`.

    ``fraction`` belongs to quantile; ``most`` is the length of a list: top, largest or smallest.
    """

    kind: str
    values: ValueSelection
    value_range: ValueRange
    fraction: Decimal = Decimal(0)
    most: int = 0
    unit: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        for argument, kinds in (("fraction", ("quantile",)), ("most", ("top", "largest", "smallest"))):
            if getattr(self, argument) and self.kind not in kinds:
                text = f"takes no {argument}=, which is for {', '.join(kinds)}"
                raise DefinitionError(f"{self.kind}({self.source!r}): {text}")

    @property
    def source(self) -> str:
        """The field whose values are kept."""
        return self.values.source

    @property
    def has_single_value(self) -> bool:
        """Whether readers get one value that rows can be ranked by; not for lists, first and last."""
        return not self.most and self.kind not in ("first", "last")

    @property
    def is_counted(self) -> bool:
        """Whether the main row counts the values as they appear and disappear; the others are read from value rows."""
        return self.kind == "distinct"

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields that it reads."""
        return self.values.sources

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the main row's attributes of the measure named ``name``."""
        if self.values.at is not None:
            return (name, f"{name}_at")
        return (name,) if self.values.by is None else (name, f"{name}_by")

    @property
    def items_read(self) -> int:
        """How much of :attr:`value_range` determines the measure: items at an end, frequent values; else 0."""
        return 0 if self.value_range in ("all", "ranks") else self.most or 1

    @property
    def values_stored(self) -> int:
        """The most values that the main row holds for the measure."""
        return (self.most or 1) * (1 + len(self.values.show or ()))

    def state(self, name: str, counts: Sequence[ValueCount]) -> dict[str, Any]:
        """Return the main row's attributes from its value rows, which are sorted and count at least one item each.

        Those of :attr:`value_range` are enough. Empty if there are no values.
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
            case "largest" | "smallest":
                return {name: self._ranked(counts)}
            case _:
                end = counts[0] if self.value_range == "low" else counts[-1]
                return dict(zip(self.attributes(name), end.labels, strict=True))

    def shown_labels(self, name: str, row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the labels of the value rows that a main row shows for a measure of one end, the first in rank first.

        The reverse of :meth:`state`: a value is listed once for each item that shows it.
        """
        if self.kind in ("largest", "smallest"):
            first, *others = self.members
            shown = [(entry[first], tuple([entry[name] for name in others])) for entry in row.get(name, ())]
            return shown if self.values.show is not None else [labels[:1] for labels in shown]
        return [tuple([row[one] for one in self.attributes(name)])] if name in row else []

    def render(self, name: str, row: Mapping[str, Any]) -> Any:
        """Return the measure as readers get it; without values 0 for distinct, [] for top and None for the others."""
        if self.kind in ("first", "last"):
            attribute = self.attributes(name)[1]
            return None if name not in row else {"value": row[name], attribute.rpartition("_")[2]: row[attribute]}
        if self.values.show is not None:
            # DynamoDB returns the members of a map in any order
            return [{member: entry.get(member) for member in self.members} for entry in row.get(name) or ()]
        return row.get(name, 0 if self.kind == "distinct" else [] if self.most else None)

    def _ranked(self, counts: Sequence[ValueCount]) -> list[dict[str, Any]]:
        """Return the entries of largest or smallest: one for each item, the first in rank first."""
        ranked = counts if self.kind == "smallest" else reversed(counts)
        each = ((dict(zip(self.members, _flat(count.labels), strict=True)), int(count.items)) for count in ranked)
        entries = chain.from_iterable(repeat(entry, items) for entry, items in each)
        return list(islice(entries, self.most))

    @property
    def members(self) -> tuple[str, ...]:
        """The members of an entry of largest or smallest, in the order by which entries are ranked."""
        return (VALUE, *(path.name for path in self.values.shown_paths))


def _flat(labels: Sequence[Any]) -> tuple[Any, ...]:
    return (labels[0], *(labels[1] if len(labels) > 1 else ()))


def quantile_rank(fraction: Decimal, items: Number) -> Decimal:
    """Return the rank of a quantile among this many items: it is the first value that has at least this rank.

    It is whole, because a difference of fractions would be rounded in a context of fewer digits than the rank has.
    """
    return max(EXACT.multiply(fraction, Decimal(items)).to_integral_value(ROUND_CEILING), Decimal(1))


def _quantile(counts: Sequence[ValueCount], fraction: Decimal) -> Any:
    target_rank = quantile_rank(fraction, sum(count.items for count in counts))
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
    """Maintain the number of distinct values of a field.

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
    1 to a million make fewer than 700 at 0.01.

    Raises:
        DefinitionError: the fraction is not from 0 to 1, or the error is not from 1E-9 to 0.5.

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
    if relative_error is not None and not _LEAST_ERROR <= relative_error <= Decimal("0.5"):
        text = f"error= must be from {_LEAST_ERROR:f} to 0.5, not {error}; without error= the quantile is exact"
        raise DefinitionError(f"quantile({source!r}): {text}")
    values = ValueSelection(source, where, error=relative_error)
    return OrderMeasure("quantile", values, "ranks", fraction=at, **metadata)


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
    return OrderMeasure("top", ValueSelection(source, where), "frequent", most=most, **metadata)
