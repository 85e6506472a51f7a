"""Display metadata (units, descriptions), and checks of arguments that recur in a definition."""

from collections.abc import Hashable
from typing import TypedDict

from tailrace.definition.fields.paths import field_path
from tailrace.errors import DefinitionError


class DisplayMetadata(TypedDict, total=False):
    """Metadata that the engine passes on to readers: the unit to print after a number, and a sentence."""

    unit: str | None
    description: str | None


def check_display_metadata(context: str, **given: object) -> None:
    """Check that each argument is None or a non-empty string.

    Raises:
        DefinitionError: one is not; the message names it.
    """
    for name, text in given.items():
        if text is not None and (not isinstance(text, str) or not text):
            raise DefinitionError(f"{context}: {name}= must be a non-empty string, not {text!r}")


def check_field(context: str, source: object) -> None:
    """Check that ``source`` can be the path of a field.

    Raises:
        DefinitionError: it is not a non-empty string, or not a path.
    """
    if not isinstance(source, str) or not source:
        raise DefinitionError(f"{context}: a field name must be a non-empty string, not {source!r}")
    try:
        field_path(source)
    except DefinitionError as error:
        raise DefinitionError(f"{context}: {error}") from error


def check_predicate(context: str, where: object) -> None:
    """Check that ``where`` is None or a predicate. It must be hashable, because the engine caches results by predicate.

    Raises:
        DefinitionError: it is neither.
    """
    if where is not None and not (callable(where) and isinstance(where, Hashable)):
        raise DefinitionError(f"{context}: where= must be a function of an item, and hashable, not {where!r}")
