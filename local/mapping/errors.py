"""The error of an invalid mapping."""


class MappingError(ValueError):
    """A mapping has a property that Lambda would reject, or that is not supported locally."""
