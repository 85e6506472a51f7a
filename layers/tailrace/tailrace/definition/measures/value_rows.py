"""The value rows of order measures: which values of an item they keep, and the key of each.

:mod:`tailrace.definition.measures.order` says why these rows exist and what is read back from them.
"""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache
from typing import Any, Literal

from tailrace.definition.fields.checks import check_field, check_predicate
from tailrace.definition.fields.instants import parse_instant, time_zone
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.measures.linear import Predicate
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import MAX_EXPONENT, MIN_EXPONENT, Number, canonical_number
from tailrace.encoding.sort_keys import check_sort_value, encode_sort_key, utc_text
from tailrace.errors import InvalidItem, Violation

type ValueRange = Literal["low", "high", "all"]

VALUE, AT = "value", "at"
"""The attributes of a value row: the value and, for first and last, the time."""

MAX_VALUE_BYTES = 1024
"""A value is its row's sort key: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_LOG_CONTEXT = Context(prec=34)
_REPRESENTATIVE_CONTEXT = Context(prec=16)
_SMALLEST, _LARGEST = Decimal(f"1E{MIN_EXPONENT}"), Decimal(f"9.999999999999999E+{MAX_EXPONENT}")


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
        source: the field's path.
        where: restricts the selection to the items that satisfy this predicate.
        at: the path of the field with the time, for first and last.
        tz: the time zone of times without an offset.
        epoch_unit: the unit of times that are numbers since 1970.
        error: the largest relative error to which numbers are rounded; None does not round.
    """

    source: str
    where: Predicate | None = None
    at: str | None = None
    tz: str = "UTC"
    error: Decimal | None = None
    epoch_unit: str = "s"
    path: FieldPath = field(init=False, repr=False, compare=False)
    time_path: FieldPath | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        context = f"a measure of {self.source!r}"
        check_field(context, self.source)
        check_predicate(context, self.where)
        object.__setattr__(self, "path", field_path(self.source))
        object.__setattr__(self, "time_path", None if self.at is None else field_path(self.at))

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
        value = self.path.read(item)
        if value is None:
            return None
        check_sort_value(value, self.path.pointer)
        if self.error is not None:
            value = self._rounded(value)
        sort_key = encode_sort_key(value)
        labels: tuple[Any, ...] = (value,)
        if self.at is not None and self.time_path is not None:
            time = self.time_path.read(item)
            if time is None:
                return None
            at = utc_text(parse_instant(time, time_zone(self.tz), self.at, self.epoch_unit))
            sort_key, labels = f"{at}#{sort_key}", (value, at)
        if len(sort_key) * 4 > MAX_VALUE_BYTES and len(sort_key.encode()) > MAX_VALUE_BYTES:
            text = f"a value of {len(sort_key.encode())} bytes exceeds the key limit of {MAX_VALUE_BYTES}"
            raise InvalidItem([Violation(self.path.pointer, "measure", text)])
        return ValueEntry(sort_key, labels)

    def _rounded(self, value: Any) -> Number:
        if isinstance(value, bool | str):
            text = f"cannot round a value of type {type(value).__name__}; quantile(error=) requires numbers"
            raise InvalidItem([Violation(self.path.pointer, "measure", text)])
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
