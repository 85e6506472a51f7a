"""What is wrong with a mapping."""


class MappingError(ValueError):
    """A mapping has a property that Lambda would refuse, or that is not supported here."""
