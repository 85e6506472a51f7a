"""The value rows of order measures: which values of an item they keep, and the key of each.

:mod:`tailrace.definition.measures.order` says why these rows exist and what is read back from them.
"""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct

from tailrace.definition.fields.arguments import check_field, check_predicate
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.measures.linear import Predicate
from tailrace.definition.times.instants import OUT_OF_RANGE, parse_instant, time_error
from tailrace.definition.times.zones import time_zone
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import MAX_EXPONENT, MIN_EXPONENT, Number, canonical_number, number_text
from tailrace.encoding.sort_keys import check_sort_value, encode_sort_key, encode_sort_keys, utc_text
from tailrace.errors import InvalidItem, Violation

type ValueRange = Literal["low", "high", "frequent", "ranks", "all"]
"""Which value rows determine a measure: those of one end, the most frequent ones, those at given ranks, or all."""

VALUE, AT, BY, SHOWN = "value", "at", "by", "shown"
"""The attributes of a value row: the value; for first and last, the time or the value that orders it; for largest and
smallest, the list of the shown fields' values."""

MAX_VALUE_BYTES = 1024
"""A value is its row's sort key: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_DIGEST_CHARACTERS = 32
_FIRST_DIGIT = 6
_ERROR_OF_ONE_LEVEL = Decimal("0.003")  # from 1 to 2, the widest first digit, there are at most 116 values
_LOG_CONTEXT = Context(prec=34)
_REPRESENTATIVE_CONTEXT = Context(prec=16)
_SMALLEST, _LARGEST = Decimal(f"1E{MIN_EXPONENT}"), Decimal(f"9.999999999999999E+{MAX_EXPONENT}")


class ValueEntry(Struct, frozen=True):
    """An item's value: its value row's sort key, and attributes in the order of :attr:`ValueSelection.labels`."""

    sort_key: str
    labels: tuple[Any, ...]


class ValueCount(Struct, frozen=True):
    """A value row as read: its attributes, as in :class:`ValueEntry`, and the number of items with the value."""

    labels: tuple[Any, ...]
    items: Number


@dataclass(frozen=True, slots=True)
class ValueSelection:
    """The values that a measure is derived from; measures with equal selections share their value rows.

    Attributes:
        source: the field's path.
        where: restricts the selection to the items that satisfy this predicate.
        at: the path of the field with the time, for first and last by a time.
        by: the path of the field whose value orders the items, for first and last by a value.
        show: the paths of the fields that are kept with the value, for largest and smallest; None for other measures.
        tz: the time zone of times without an offset.
        epoch_unit: the unit of times that are numbers since 1970.
        error: the largest relative error to which numbers are rounded; None does not round.
        node: the number of characters of a value's sort key that make the key of its node; None for the values.
    """

    source: str
    where: Predicate | None = None
    at: str | None = None
    tz: str = "UTC"
    error: Decimal | None = None
    epoch_unit: str = "s"
    by: str | None = None
    show: tuple[str, ...] | None = None
    node: int | None = None
    path: FieldPath = field(init=False, repr=False, compare=False)
    order_path: FieldPath | None = field(init=False, repr=False, compare=False)
    shown_paths: tuple[FieldPath, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        context = f"a measure of {self.source!r}"
        check_field(context, self.source)
        check_predicate(context, self.where)
        object.__setattr__(self, "path", field_path(self.source))
        ordered_by = self.by if self.at is None else self.at
        object.__setattr__(self, "order_path", None if ordered_by is None else field_path(ordered_by))
        object.__setattr__(self, "shown_paths", tuple(map(field_path, self.show or ())))

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes of a value row, or of a node, other than its count."""
        if self.node is not None:
            return (VALUE,)
        if self.show is not None:
            return (VALUE, SHOWN)
        return (VALUE, AT) if self.at is not None else (VALUE,) if self.by is None else (VALUE, BY)

    @property
    def node_lengths(self) -> tuple[int, ...]:
        """The :attr:`node` of each level of nodes above the values; the first ones have the fewest.

        A number's sort key begins with six characters for its sign, its exponent and its first digit. With two more
        digits, nodes of a hundred values hold 90,000 values for each power of ten. A larger error leaves about a
        hundred values with the same first digit.
        """
        few = self.error is not None and self.error >= _ERROR_OF_ONE_LEVEL
        return (_FIRST_DIGIT,) if few else (_FIRST_DIGIT, _FIRST_DIGIT + 2)

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields that it reads."""
        ordered_by = [source for source in (self.at, self.by) if source is not None]
        return (self.source, *ordered_by, *(self.show or ()))

    def entry(self, item: Item) -> ValueEntry | None:
        """Return an item's value; None if the field or time is missing or null, or the item does not satisfy ``where``.

        Raises:
            InvalidItem: the value has no order or is too long for a key, or the time cannot be parsed.
        """
        if self.where is not None and not self.where(item):
            return None
        value = self.path.read(item)
        if value is None:
            return None
        check_sort_value(value, self.path.pointer)
        if self.error is not None:
            value = self._rounded(value)
        found = self._ordered(item, value)
        if found is None:
            return None
        sort_key, labels = found
        if len(sort_key) * 4 > MAX_VALUE_BYTES and len(sort_key.encode()) > MAX_VALUE_BYTES:
            text = f"a value of {len(sort_key.encode())} bytes exceeds the key limit of {MAX_VALUE_BYTES}"
            raise InvalidItem([Violation(self.path.pointer, "measure", text)])
        return self.node_of(ValueEntry(sort_key, labels))

    def node_of(self, value: ValueEntry) -> ValueEntry:
        """Return the entry of the node that a value is counted in; the value's own if this selects values."""
        if self.node is None:
            return value
        key = value.sort_key[: self.node]
        return ValueEntry(key, (key,))

    def _ordered(self, item: Item, value: Any) -> tuple[str, tuple[Any, ...]] | None:
        """Return the sort key and labels of a value; None if what orders it is missing."""
        labels: tuple[Any, ...] = (value,)
        if self.order_path is not None:
            by = self.order_path.read(item)
            if by is None:
                return None
            if self.at is None:
                labels = value, check_sort_value(by, self.order_path.pointer)
            else:
                labels = value, self._instant(by, self.at)
        elif self.show is not None:
            labels = value, tuple([_shown(path, item) for path in self.shown_paths])
        return self.sort_key(labels), labels

    def _instant(self, value: Any, source: str) -> str:
        moment = parse_instant(value, time_zone(self.tz), source, self.epoch_unit)
        try:
            return utc_text(moment)
        except OverflowError as error:  # in the zone, it is a time of the first or the last day of the calendar
            raise time_error(value, source, OUT_OF_RANGE) from error

    def sort_key(self, labels: tuple[Any, ...]) -> str:
        """Return the sort key of the value row with these :attr:`labels`."""
        if self.at is not None:
            return f"{labels[1]}#{encode_sort_key(labels[0])}"
        if self.by is not None:
            return encode_sort_keys([labels[1], labels[0]])
        return encode_sort_key(labels[0]) if self.show is None else _ranked_key(*labels)

    def _rounded(self, value: Any) -> Number:
        if isinstance(value, bool | str):
            text = f"cannot round a value of type {type(value).__name__}; quantile(error=) requires numbers"
            raise InvalidItem([Violation(self.path.pointer, "measure", text)])
        return round_to_bin(value, self.error or Decimal(0))


def _shown(path: FieldPath, item: Item) -> Any:
    value = path.read(item)
    if value is None:
        return None
    check_sort_value(value, path.pointer)
    if isinstance(value, str) and len(value.encode()) > MAX_VALUE_BYTES:
        text = f"a text of {len(value.encode())} bytes exceeds the {MAX_VALUE_BYTES} that a row can show"
        raise InvalidItem([Violation(path.pointer, "measure", text)])
    return value


def _ranked_key(value: Any, shown: tuple[Any, ...]) -> str:
    """Return the sort key of a value with shown fields, which order equal values.

    Where it would be too long for a key, a digest replaces the end of the shown fields: they then order equal values by
    their first characters only, and are still told apart.
    """
    first, rest = encode_sort_keys([value]), encode_sort_keys(shown)
    if (len(first) + len(rest)) * 4 > MAX_VALUE_BYTES and len((first + rest).encode()) > MAX_VALUE_BYTES:
        room = max(0, MAX_VALUE_BYTES - len(first.encode()) - _DIGEST_CHARACTERS)
        rest = rest.encode()[:room].decode(errors="ignore") + sha256(rest.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return first + rest


def round_to_bin(value: Number, error: Decimal) -> Number:
    """Round a number to the representative of its bin, which differs from it by at most the fraction ``error``.

    Bin boundaries are the powers of (1 + e) / (1 - e), as in DDSketch (Masson, Rim, Lee 2019,
    https://arxiv.org/abs/1908.10693). Decimal logarithms give the same result on every machine.
    """
    # by its text, because a sender could choose any number of values with one hash
    return _bin_of(number_text(value), error)


@lru_cache(maxsize=65_536)
def _bin_of(text: str, error: Decimal) -> Number:
    value = Decimal(text)
    if not value:
        return 0
    tolerance = error * Decimal("0.999999")  # the margin is for rounding the representative to 16 digits
    base = _LOG_CONTEXT.divide(1 + tolerance, 1 - tolerance)
    magnitude = abs(value)
    bin_index = _LOG_CONTEXT.divide(_LOG_CONTEXT.ln(magnitude), _LOG_CONTEXT.ln(base)).to_integral_value(ROUND_CEILING)
    representative = _LOG_CONTEXT.divide(2 * _LOG_CONTEXT.power(base, bin_index), base + 1)
    # clamping to DynamoDB's range only brings the representative closer to the value
    result = min(max(_REPRESENTATIVE_CONTEXT.plus(representative), _SMALLEST), _LARGEST)
    return canonical_number((-result if value < 0 else result).normalize())
