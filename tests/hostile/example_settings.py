"""How examples are drawn: the same ones each time."""

from hypothesis import HealthCheck, Phase, settings


def hostile(examples: int) -> settings:
    """Return the settings of a property: the same examples each time, however slow the machine."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
