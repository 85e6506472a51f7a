"""Cross-origin requests to the emulator's HTTP APIs, as the template configures them.

The emulator's CloudFormation stores a CorsConfiguration under the names and in the types of the template. Its gateway
reads those of the API, finds no origin, and refuses every preflight request.
"""

from collections.abc import Callable
from typing import Any

READERS = ("_cors_response_headers", "_cors_preflight_response")
"""The functions of the emulator's gateway that take a configuration, and the origin of a request."""

type Json = dict[str, Any]


def read_template_names(gateway: Json) -> None:
    """Let the emulator's module with these names read configurations from templates."""
    for name in READERS:
        gateway[name] = _reading(gateway[name])


def _reading(function: Callable[[Json, str], Any]) -> Callable[[Json, str], Any]:
    def read(configuration: Json, origin: str) -> Any:
        return function(_named_as_in_api(configuration), origin)

    return read


def _named_as_in_api(configuration: Json) -> Json:
    """Return {"allowOrigins": [...], ...}; a parameter of the type CommaDelimitedList is one text before."""
    named = {name[0].lower() + name[1:]: value for name, value in configuration.items()}
    return {name: value.split(",") if isinstance(value, str) else value for name, value in named.items()}
