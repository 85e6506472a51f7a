"""Groups: the parts of an item that determine its row, and the group by a field's own value."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from tailrace.definition.fields.checks import check_field
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT, UNREPRESENTABLE, canonical_number, is_representable
from tailrace.errors import InvalidItem, Violation


@runtime_checkable
class Group(Protocol):
    """One element of ``by``: the source of its value, and its form in a key."""

    @property
    def name(self) -> str:
        """The row attribute that holds the value."""

    @property
    def source(self) -> str:
        """The item field that the value is derived from."""

    def value(self, item: Item) -> Any | None:
        """Return an item's group value; None if the field is missing or null.

        Raises:
            InvalidItem: the field's value cannot be a group.
        """

    def text(self, value: Any) -> str:
        """Return the value as text, for use in a key."""


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """A group by a field's own value: a string, number or boolean."""

    source: str
    name: str

    def value(self, item: Item) -> Any | None:
        """Return the field's value, unchanged."""
        value = item.get(self.source)
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, int | Decimal):
            text = f"cannot group by a value of type {type(value).__name__}; expected a string, number or boolean"
            raise InvalidItem([Violation(f"/{self.source}", "group", text)])
        # a transform may return any number; DynamoDB would reject the row on every delivery
        if not is_representable(value):
            raise InvalidItem([Violation(f"/{self.source}", "digits", UNREPRESENTABLE)])
        return value

    def text(self, value: Any) -> str:
        """Return the value as text; equal numbers have one spelling."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(canonical_number(value.normalize(EXACT)) if isinstance(value, Decimal) else value)


def field(source: str, *, name: str | None = None) -> FieldGroup:
    """Group by the value of a field; the row attribute is named ``name``, by default like the field.

    Example:
        >>> from tailrace import field
        >>> field("carrier").value({"carrier": "UA"})
        'UA'
        >>> field("carrier", name="airline").name
        'airline'
    """
    check_field("field", source)
    return FieldGroup(source, name or source)
