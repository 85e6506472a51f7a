"""What people are told beside the numbers: units and descriptions. The engine only passes them on."""

from typing import TypedDict

from tailrace.errors import DefinitionError


class About(TypedDict, total=False):
    """What a measure can be given for its readers: ``unit`` as it stands behind a number, a sentence."""

    unit: str | None
    description: str | None


def check_about(here: str, **given: object) -> None:
    """Refuse what is no text.

    Raises:
        DefinitionError: naming what is not.
    """
    for name, text in given.items():
        if text is not None and (not isinstance(text, str) or not text):
            raise DefinitionError(f"{here}: {name} is a text, not {text!r}")
