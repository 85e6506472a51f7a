"""Ratios of two measures of a row: made when it is read, so they store nothing and cost no write."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Unpack

from msgspec import Struct

from tailrace.definition.fields.arguments import DisplayMetadata
from tailrace.definition.measures.linear import Measure, divide
from tailrace.definition.measures.order import OrderMeasure
from tailrace.errors import DefinitionError


class Ratio(Struct, frozen=True):
    """A measure divided by another one of the same aggregate, created by :func:`ratio`.

    In a rolled-up row it is the ratio of the rolled-up measures, not a mean of ratios.
    """

    numerator: str
    denominator: str
    unit: str | None = None
    description: str | None = None

    @property
    def kind(self) -> str:
        """The kind of measure."""
        return "ratio"

    @property
    def source(self) -> None:
        """A ratio reads no field of an item."""
        return

    @property
    def has_single_value(self) -> bool:
        """Whether readers get one value that rows can be ranked by."""
        return True

    def of(self, values: Mapping[str, Any]) -> Decimal | None:
        """Return the ratio of measures as readers get them; None if one is not a number, or the denominator is 0."""
        numbers = [values.get(name) for name in (self.numerator, self.denominator)]
        if any(isinstance(number, bool) or not isinstance(number, int | Decimal) for number in numbers):
            return None
        return divide(*numbers) if numbers[1] else None  # type: ignore[arg-type]  # both are numbers


type AnyMeasure = Measure | OrderMeasure | Ratio
"""A measure as readers see it; a :class:`Ratio` is not stored."""


def ratio(numerator: str, denominator: str, **metadata: Unpack[DisplayMetadata]) -> Ratio:
    """Divide a measure by another one of the same aggregate, both given by their names.

    Example:
        >>> from tailrace import Aggregate, Collection, count, field, ratio
        >>> flights = Collection("flights", schema={"type": "object"})
        >>> measures = {"flights": count(), "late": count(where=lambda flight: flight["late"])}
        >>> share = ratio("late", "flights", description="The share of late flights.")
        >>> carriers = Aggregate("c", of=flights, by=[field("carrier")], measures=measures | {"late_share": share})
        >>> carriers.render({"carrier": "UA", "~n": 4, "flights": 4, "late": 1})["late_share"]
        Decimal('0.25')
    """
    return Ratio(numerator, denominator, **metadata)


def check_ratios(context: str, measures: Mapping[str, AnyMeasure]) -> None:
    """Check that each ratio is of two stored measures with a single value.

    Raises:
        DefinitionError: one is not.
    """
    usable = [name for name, one in measures.items() if not isinstance(one, Ratio) and one.has_single_value]
    for name, one in measures.items():
        if not isinstance(one, Ratio):
            continue
        for part in (one.numerator, one.denominator):
            if part not in usable:
                expected = ", ".join(usable) or "none; define a measure such as count() first"
                raise DefinitionError(f"{context}: {name!r} is a ratio of {part!r}; expected one of: {expected}")
