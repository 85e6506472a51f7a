"""Command-line values of `make demo` and `make stack`."""

import difflib
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.deployment.template import VARIABLE
from local.errors import LocalError

PIPELINE, EMULATED = "Pipeline", "Emulated"
MAX_SHARDS = 64
MAX_PORT = 65_535
_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class OptionError(LocalError):
    """An option has an invalid value; the message is one sentence."""


def parse_integer(name: str, text: str, maximum: int) -> int | None:
    """Parse a whole number from 1 to ``maximum``; return None for an empty text.

    Raises:
        OptionError: the text is not such a number.
    """
    if not text:
        return None
    # length first: int() refuses texts of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise OptionError(f"{name} must be a whole number from 1 to {maximum}, not {text[:20]!r}.")
    return int(text)


def parse_path(text: str) -> Path | None:
    """Return the path of a file; None for an empty text. Not every shell replaces the ~ of `FEED=~/my.csv`."""
    # os.path leaves ~ where there is no such home; Path's function raises
    return Path(os.path.expanduser(text)) if text else None  # noqa: PTH111


def parse_switch(name: str, text: str) -> bool:
    """Parse a switch; an empty text means no.

    Raises:
        OptionError: the text is neither yes nor no.
    """
    if text.lower() not in _YES | _NO:
        raise OptionError(f"{name} must be 1 or 0, not {text[:20]!r}.")
    return text.lower() in _YES


def parse_parameters(text: str, known: Mapping[str, Any]) -> dict[str, str]:
    """Parse parameters of the template, as ``NAME=VALUE``, with spaces between them; a value may have spaces, too.

    Raises:
        OptionError: the template has no such parameter, or allows other values.
    """
    found = {}
    for part in re.split(r"\s+(?=\w+=)", text.strip()) if text.strip() else ():
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            close = difflib.get_close_matches(name, known, 1) or ["WriteEntrances"]
            raise OptionError(f"PARAMETERS must be NAME=VALUE of template.yaml, such as {close[0]}=…, not {part!r}.")
        if name == PIPELINE:
            raise OptionError(
                f"{PIPELINE} is not among PARAMETERS: name it with {VARIABLE}, so that it is also checked."
            )
        if name == EMULATED:
            raise OptionError(f"{EMULATED} is not among PARAMETERS: it is always true on this machine.")
        values = [value]
        if known[name].get("Type") == "CommaDelimitedList":
            values = [one.strip() for one in value.split(",")]  # as CloudFormation does
        for one in values:
            _check_value(name, one, known[name])
        found[name] = ",".join(values)
    return found


def _check_value(name: str, value: str, known: Mapping[str, Any]) -> None:
    """Refuse what CloudFormation does, which looks at each value of a list by itself."""
    allowed = [str(one) for one in known.get("AllowedValues", ())]
    if allowed and value not in allowed:
        raise OptionError(f"{name} must be {' or '.join(allowed)}, not {value!r}.")
    pattern = known.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        rule = known.get("ConstraintDescription", f"must match {pattern}").rstrip(".")
        raise OptionError(f"{name} {rule}, not {value!r}.")
    if known.get("Type") == "Number":
        _check_number(name, value, known)


def _check_number(name: str, value: str, known: Mapping[str, Any]) -> None:
    given = {part: str(known[part]) for part in ("Default", "MinValue", "MaxValue") if part in known}
    lowest, highest = given.get("MinValue"), given.get("MaxValue")
    is_whole = all(re.fullmatch("-?[0-9]+", number) for number in given.values())
    form = r"-?[0-9]{1,18}" if is_whole else r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
    if re.fullmatch(form, value) and Decimal(lowest or value) <= Decimal(value) <= Decimal(highest or value):
        return
    kind = "whole number" if is_whole else "number"
    limits = [f"from {lowest}"] if lowest else []
    limits += [f"to {highest}" if lowest else f"of at most {highest}"] if highest else []
    raise OptionError(f"{name} must be a {' '.join([kind, *limits])}, not {value[:20]!r}.")


def check_write_behind(parameters: Mapping[str, str], shards: int) -> None:
    """Refuse write-behind on virtual shards: the emulator's stream cannot be read again by them.

    Raises:
        OptionError: both are chosen.
    """
    if shards > 1 and int(parameters.get("WriteBehindSeconds", "0")):
        raise OptionError("WriteBehindSeconds needs SHARDS=1: changes of virtual shards cannot be read again.")
