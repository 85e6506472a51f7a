"""The options of queries: names of parameters, numbers and choices, each with a clear error."""

from collections.abc import Sequence

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.group import Group
from tailrace.errors import InvalidMessage

_OPTIONS = ("from", "to", "limit", "cursor", "order", "interval", "window", "by", "n")
_PREFIX = "group."

type Parameters = Sequence[tuple[str, str]]


def parameter_name(group: Group) -> str:
    """Return the query parameter of a group, which no option and no other group has."""
    option = group.name
    while option.startswith(_PREFIX):
        option = option.removeprefix(_PREFIX)
    return f"{_PREFIX}{group.name}" if option in _OPTIONS else group.name


def hint(aggregate: Aggregate, given: dict[str, str]) -> str:
    """Return the end of an error's message: how to select the groups that ``from`` and ``to`` may have meant."""
    meant = [parameter_name(group) for group in aggregate.by if group.name in {"from", "to"} & given.keys()]
    return f": {' and '.join(meant)} selects the group of that name" if meant else ""


def check_parameters(
    aggregate: Aggregate, parameters: Parameters, options: Sequence[str], groups: Sequence[Group] | None = None
) -> dict[str, str]:
    """Return the parameters by name, if all of them are groups of the aggregate or options, each given once.

    Raises:
        InvalidMessage: one is not.
    """
    known = [*(parameter_name(group) for group in (aggregate.by if groups is None else groups)), *options]
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            raise InvalidMessage(f"unknown parameter {name[:60]!r}; expected: {', '.join(known)}")
        if name in given:
            raise InvalidMessage(f"the parameter {name} is given more than once")
        given[name] = value
    return given


def whole_number(given: dict[str, str], name: str, default: int, maximum: int) -> int:
    """Return the whole number from 1 to a maximum that is given, or the default.

    Raises:
        InvalidMessage: it is not such a number.
    """
    text = given.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise InvalidMessage(f"{name} must be a whole number from 1 to {maximum}, not {text[:20]!r}")
    return int(text)


def choice(given: dict[str, str], name: str, choices: Sequence[str]) -> str | None:
    """Return the choice that is given, if any.

    Raises:
        InvalidMessage: it is not one of the choices.
    """
    text = given.get(name)
    if text is not None and text not in choices:
        raise InvalidMessage(f"{name} must be one of {', '.join(choices)}, not {text[:20]!r}")
    return text
