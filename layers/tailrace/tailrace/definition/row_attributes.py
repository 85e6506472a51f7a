"""The attributes of aggregate rows: those of the engine, and the rules for those of groups and measures."""

from collections.abc import Iterable, Mapping, Sequence

from tailrace.definition.fields.arguments import check_display_metadata
from tailrace.definition.groups.group import Group
from tailrace.definition.measures.linear import Measure
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.ratios import AnyMeasure, Ratio, check_ratios
from tailrace.encoding.numbers import is_encodable
from tailrace.errors import DefinitionError

ITEM_COUNT = "~n"
"""The attribute that counts a row's items; readers skip rows whose count is 0."""

INEXACT = "~inexact"
"""The attribute that counts the changes left out of a row's measures because DynamoDB could not store the sum."""

UPDATED_AT, EXPIRES_AT = "updated_at", "expires_at"
"""When a row was last written, and the epoch second after which DynamoDB may delete it (TTL)."""

MAX_ATTRIBUTES = 200
"""Attributes of a row's groups and measures: one update writes them all, and DynamoDB limits its expression to 4 KB."""

MAX_ORDER_VALUES = 300
"""Values that a row's order measures may store: each takes up to 1 KB, and DynamoDB limits a row to 400 KB."""

MAX_NAME_BYTES = 255
"""The longest name of a group or measure. Value rows have a measure's in their keys, at most three times as long."""

INEXACT_SHOWN = "inexact"
"""The member of a row, as readers get it, that marks it as inexact."""

_RESERVED = {"pk", "sk", UPDATED_AT, EXPIRES_AT, INEXACT_SHOWN}


def check_attributes(context: str, groups: Sequence[Group], measures: Mapping[str, AnyMeasure]) -> None:
    """Check the names and number of the attributes that the groups and measures of an aggregate write to a row.

    Raises:
        DefinitionError: a name is reserved, duplicate or invalid, or there are too many.
    """
    names = [group.name for group in groups]
    for name, measure in measures.items():
        if not isinstance(name, str):
            raise DefinitionError(f"{context}: measure names must be strings, not {name!r}")
        if not isinstance(measure, Measure | OrderMeasure | Ratio):
            raise DefinitionError(f"{context}: {name!r} must be a measure such as count(), not {measure!r}")
        check_display_metadata(f"{context}: measure {name!r}", unit=measure.unit, description=measure.description)
        if not isinstance(measure, Ratio):
            names.extend(measure.attributes(name))
    if len(names) > MAX_ATTRIBUTES:
        text = f"{len(names)} attributes exceed the limit of {MAX_ATTRIBUTES} per row; split the aggregate"
        raise DefinitionError(f"{context}: {text}")
    values = sum(measure.values_stored for measure in measures.values() if isinstance(measure, OrderMeasure))
    if values > MAX_ORDER_VALUES:
        text = f"order measures of {values} values exceed the limit of {MAX_ORDER_VALUES}; split the aggregate"
        raise DefinitionError(f"{context}: {text}")
    names += [name for name, measure in measures.items() if isinstance(measure, Ratio)]
    _check_distinct(context, names, set(_RESERVED))
    # a mean or variance has its name only in what readers get
    _check_distinct(context, measures, {UPDATED_AT, INEXACT_SHOWN, *(group.name for group in groups)})
    check_ratios(context, measures)


def _check_distinct(context: str, names: Iterable[str], taken: set[str]) -> None:
    for name in names:
        _check_name(context, name)
        if name in taken:
            kind = "reserved" if name in _RESERVED else "duplicate"
            raise DefinitionError(f"{context}: {kind} attribute name {name!r}; rename the measure or use name=")
        taken.add(name)


def _check_name(context: str, name: object) -> None:
    if not isinstance(name, str) or not is_encodable(name):
        raise DefinitionError(f"{context}: attribute name {name!r} must be a string without unpaired surrogates")
    if not name or name.startswith("~"):
        raise DefinitionError(f"{context}: attribute name {name!r} must not be empty or start with '~'")
    if (size := len(name.encode())) > MAX_NAME_BYTES:
        text = f"attribute name {name[:40]!r}… has {size} bytes; use at most {MAX_NAME_BYTES} (name= names a group)"
        raise DefinitionError(f"{context}: {text}")
