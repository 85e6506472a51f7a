"""What people are told beside the numbers: units and descriptions. The engine only passes them on.

Also the checks of what a definition is given everywhere: texts, fields, predicates.
"""

from collections.abc import Hashable
from typing import TypedDict

from tailrace.errors import DefinitionError


class DisplayMetadata(TypedDict, total=False):
    """What a measure can be given for its readers: ``unit`` as it stands behind a number, a sentence."""

    unit: str | None
    description: str | None


def check_display_metadata(context: str, **given: object) -> None:
    """Refuse what is no text.

    Raises:
        DefinitionError: naming what is not.
    """
    for name, text in given.items():
        if text is not None and (not isinstance(text, str) or not text):
            raise DefinitionError(f"{context}: {name} is a text, not {text!r}")


def check_field(context: str, source: object) -> None:
    """Refuse what is no field's name.

    Raises:
        DefinitionError: naming what was given.
    """
    if not isinstance(source, str) or not source:
        raise DefinitionError(f"{context}: a field is named by a text, not by {source!r}")


def check_predicate(context: str, where: object) -> None:
    """Refuse what is neither None nor a predicate. It is a key to its answers, so it has to have a hash.

    Raises:
        DefinitionError: naming what was given.
    """
    if where is not None and not (callable(where) and isinstance(where, Hashable)):
        text = "a function from an item to a truth value (an object of a class has to have a hash)"
        raise DefinitionError(f"{context}: where= is {text}, not {where!r}")
