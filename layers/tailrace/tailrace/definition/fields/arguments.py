"""Display metadata (units, descriptions), and checks of arguments that recur in a definition."""

from collections.abc import Callable, Hashable, Iterable
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, signature
from typing import Any, TypedDict

from tailrace.definition.fields.paths import field_path
from tailrace.encoding.numbers import UNPAIRED_SURROGATE, is_encodable
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
        if text is not None and not (isinstance(text, str) and text and is_encodable(text)):
            raise DefinitionError(f"{context}: {name}= must be a non-empty string, not {text!r}")


def check_field(context: str, source: object) -> None:
    """Check that ``source`` can be the path of a field.

    Raises:
        DefinitionError: it is not a non-empty string, or not a path, or not a text that UTF-8 can represent.
    """
    if not isinstance(source, str) or not source:
        raise DefinitionError(f"{context}: a field name must be a non-empty string, not {source!r}")
    try:
        field_path(source)
    except DefinitionError as error:
        raise DefinitionError(f"{context}: {error}") from error
    if not is_encodable(source):
        raise DefinitionError(f"{context}: the field name {source!r} contains {UNPAIRED_SURROGATE}")


def check_attribute_name(context: str, name: object) -> None:
    """Check that ``name`` is None or not empty: the default would replace an empty one.

    Raises:
        DefinitionError: it is empty.
    """
    if name is not None and not name:
        raise DefinitionError(f"{context}: name= must be a non-empty string, not {name!r}")


def check_predicate(context: str, where: object) -> None:
    """Check that ``where`` is None or a predicate. It must be hashable, because the engine caches results by predicate.

    Raises:
        DefinitionError: it is neither.
    """
    if where is None:
        return
    if not (callable(where) and isinstance(where, Hashable)):
        raise DefinitionError(f"{context}: where= must be a function of an item, and hashable, not {where!r}")
    check_function(f"{context}: where=", where)


def check_function(what: str, function: Callable[..., Any]) -> None:
    """Check that a function can be called with one item, and returns its result at once.

    Raises:
        DefinitionError: it takes other arguments, or is ``async`` or a generator, so that its result would mean
            nothing.
    """
    name = getattr(function, "__name__", type(function).__name__)
    kinds = (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction)
    forms = (function, getattr(type(function), "__call__", None))  # noqa: B004 - of an object, its class defines it
    if any(is_kind(form) for form in forms for is_kind in kinds):
        raise DefinitionError(f"{what} must be a plain function; {name} is async or a generator")
    try:
        parameters = signature(function)
    except (TypeError, ValueError):
        return  # a function of C, some of which have no signature
    try:
        parameters.bind({})
    except TypeError as error:
        raise DefinitionError(f"{what} must take one argument, the item; {name}{parameters} does not") from error


def check_options(context: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Check the names of options.

    Raises:
        DefinitionError: one is unknown.
    """
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise DefinitionError(f"{context}: there is no option {unknown}=; expected {', '.join(f'{n}=' for n in known)}")
