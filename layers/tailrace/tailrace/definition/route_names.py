"""The names that routes have in the template: ``LateFlights`` for ``late-flights``, and a parameter that lists them."""

from collections.abc import Iterable, Sequence

NO_ROUTES = "None"
"""The value of the parameter for a definition without routes; an empty list would make a loop over one empty name."""

RESERVED_NAMES = {"Archive", "AsyncFailures", "Intake", NO_ROUTES}
"""Names of the stack's own queues, and the one that stands for no route."""

MAX_ROUTES = 71
"""A stack may have 500 resources, and each route takes five."""

MAX_PARAMETER_CHARACTERS = 2500
"""The longest value of the parameter: a function's variables, of which it is one, have 4 KB."""

_DEAD_LETTER = "DeadLetter"


def resource_name(route: str) -> str:
    """Return a route's name in the template: ``LateFlights`` for ``late-flights`` and ``late_flights``."""
    return "".join(part[:1].upper() + part[1:] for part in route.replace("-", "_").split("_"))


def is_reserved(route: str) -> bool:
    """Tell whether the template has a queue of this name already, or may have one for another route."""
    name = resource_name(route)
    return name in RESERVED_NAMES or name.endswith(_DEAD_LETTER)


def routes_parameter(routes: Iterable[str]) -> str:
    """Return the value of the template's parameter ``Routes`` for these routes."""
    return ",".join(resource_name(route) for route in routes) or NO_ROUTES


def excess(routes: Sequence[str]) -> str | None:
    """Tell in a sentence why a stack cannot have so many routes; None if it can."""
    if len(routes) > MAX_ROUTES:
        return f"a stack may have {MAX_ROUTES} routes, not {len(routes)}: combine some"
    length = len(routes_parameter(routes))
    if length > MAX_PARAMETER_CHARACTERS:
        return f"the names of all routes may take {MAX_PARAMETER_CHARACTERS:,} characters, not {length:,}: shorten them"
    return None


def disagreement(routes: Iterable[str], parameter: str) -> str | None:
    """Tell in a sentence how the parameter ``Routes`` and the definition's routes differ; None if they agree."""
    wanted = routes_parameter(routes)
    defined, given = set(wanted.split(",")), {name.strip() for name in parameter.split(",")}
    if defined == given:
        return None
    lacking, unknown = sorted(defined - given - {NO_ROUTES}), sorted(given - defined)
    parts = [f"lacks {', '.join(lacking)}"] if lacking else []
    parts += [f"names {', '.join(unknown)}, not among the definition's routes"] if unknown else []
    return f"The parameter Routes {' and '.join(parts)}: it must be Routes={wanted}."
