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
from typing import Any

from tailrace.errors import InvalidItem, Violation
from tailrace.values import EXACT, MOST_DIGITS, Number, holdable

type Item = dict[str, Any]
type Predicate = Callable[[Item], bool]

_PRESENTED = Context(prec=MOST_DIGITS)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure; made by :func:`count`, :func:`total`, :func:`mean` and :func:`variance`.

    ``suffixes`` are appended to the measure's name and give the row's attributes, in the order of :meth:`parts`.
    """

    kind: str
    source: str | None
    where: Predicate | None
    suffixes: tuple[str, ...]

    def attributes(self, name: str) -> tuple[str, ...]:
        """Return the names of the row's attributes for the measure called ``name``."""
        return tuple(name + suffix for suffix in self.suffixes)

    def parts(self, item: Item) -> tuple[Number, ...]:
        """Return what an item adds to each attribute.

        Raises:
            InvalidItem: the field holds something that is not a number, or more digits than DynamoDB can sum.
        """
        if self.where is not None and not self.where(item):
            return (0,) * len(self.suffixes)
        if self.source is None:
            return (1,)
        value = item.get(self.source)
        if value is None:
            return (0,) * len(self.suffixes)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise InvalidItem([Violation(f"/{self.source}", "measure", f"a {type(value).__name__} cannot be summed")])
        powers: tuple[Number, ...] = (value,) if self.kind == "total" else (value, 1)
        if self.kind == "variance":
            powers = (*powers, EXACT.multiply(value, value) if isinstance(value, Decimal) else value * value)
        if not all(holdable(power) for power in powers):
            text = f"{self.kind} needs a number that DynamoDB cannot hold: {MOST_DIGITS} digits, 1E-130 to 9.9E+125"
            raise InvalidItem([Violation(f"/{self.source}", "digits", text)])
        return powers

    def present(self, name: str, row: Mapping[str, Any]) -> Number | None:
        """Return the measure's value as a reader sees it, from the row's attributes; None where there is none."""
        parts = [row.get(attribute, 0) for attribute in self.attributes(name)]
        if self.kind in ("count", "total"):
            return parts[0]  # type: ignore[no-any-return]
        if not parts[1]:
            return None
        if self.kind == "mean":
            return _divide(parts[0], parts[1])
        spread = EXACT.subtract(EXACT.multiply(Decimal(parts[2]), Decimal(parts[1])), EXACT.power(Decimal(parts[0]), 2))
        return _divide(spread, parts[1] * parts[1])


def _divide(numerator: Number, denominator: Number) -> Decimal:
    return _PRESENTED.divide(Decimal(numerator), Decimal(denominator))


def count(*, where: Predicate | None = None) -> Measure:
    """Count the items (for which ``where`` holds)."""
    return Measure("count", None, where, ("",))


def total(source: str, *, where: Predicate | None = None) -> Measure:
    """Sum a field."""
    return Measure("total", source, where, ("",))


def mean(source: str, *, where: Predicate | None = None) -> Measure:
    """Keep the mean of a field, as its sum and the number of values."""
    return Measure("mean", source, where, ("_total", "_count"))


def variance(source: str, *, where: Predicate | None = None) -> Measure:
    """Keep the population variance of a field, as its sum, the number of values and the sum of their squares."""
    return Measure("variance", source, where, ("_total", "_count", "_squares"))
