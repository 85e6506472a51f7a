"""Groups: the parts of an item that determine its row, and the group by a field's own value."""

from dataclasses import dataclass
from dataclasses import field as attribute
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from tailrace.definition.fields.arguments import check_attribute_name, check_field
from tailrace.definition.fields.paths import FieldPath, field_path
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
        """The path of the item field that the value is derived from."""

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
    path: FieldPath = attribute(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", field_path(self.source))

    def value(self, item: Item) -> Any | None:
        """Return the field's value, unchanged."""
        value = self.path.read(item)
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, int | Decimal):
            text = f"cannot group by a value of type {type(value).__name__}; expected a string, number or boolean"
            raise InvalidItem([Violation(self.path.pointer, "group", text)])
        # a transform may return any number; DynamoDB would reject the row on every delivery
        if not is_representable(value):
            raise InvalidItem([Violation(self.path.pointer, "digits", UNREPRESENTABLE)])
        return value

    def text(self, value: Any) -> str:
        """Return the value as text; equal numbers have one spelling."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(canonical_number(value.normalize(EXACT)) if isinstance(value, Decimal) else value)


def field(source: str, *, name: str | None = None) -> FieldGroup:
    r"""Group by the value of a field; the row attribute is named ``name``, by default like the field.

    ``customer.country`` is the field ``country`` of the map ``customer``; a dot in a name is written ``\.``.

    Example:
        >>> from tailrace import field
        >>> field("carrier").value({"carrier": "UA"})
        'UA'
        >>> field("carrier", name="airline").name
        'airline'
        >>> field("customer.country").name
        'country'
    """
    check_field("field", source)
    check_attribute_name(f"field({source!r})", name)
    return FieldGroup(source, name or field_path(source).name)
