"""The error of an invalid mapping."""

from collections.abc import Collection, Mapping


class MappingError(ValueError):
    """A mapping has a property that Lambda would reject, or that is not supported locally."""


def refuse_unknown(name: str, value: Mapping[str, object], known: Collection[str]) -> None:
    """Raise MappingError if an object has other fields: a misspelled one would have no effect."""
    for field in value:
        if field not in known:
            raise MappingError(f"{name} has no {field}: use {' or '.join(sorted(known))}")
