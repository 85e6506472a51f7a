"""The names of routes in the template, and how the template's parameter differs from the definition."""

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from tailrace import Collection, DefinitionError, Pipeline, Route
from tailrace.definition.route_names import disagreement, resource_name, routes_parameter


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("disruptions", "Disruptions"),
        ("late-flights", "LateFlights"),
        ("late_flights", "LateFlights"),
        ("top-10", "Top10"),
        ("a--b_", "AB"),
    ],
)
def test_a_name_has_no_separators(route: str, name: str) -> None:
    assert resource_name(route) == name


def test_a_parameter_is_never_empty() -> None:
    assert routes_parameter(["alerts", "late-flights"]) == "Alerts,LateFlights"
    assert routes_parameter([]) == "None"


@pytest.mark.parametrize(
    ("routes", "parameter", "told"),
    [
        (["a", "b"], "B,A", None),
        (["a", "b"], "A, B", None),
        ([], "None", None),
        (["a", "b"], "B", "lacks A: it must be Routes=A,B."),
        (["a"], "A,Old", "names Old, not among the definition's routes: it must be Routes=A."),
        (["a-b"], "Old", "lacks AB and names Old, not among the definition's routes: it must be Routes=AB."),
        ([], "Old", "names Old, not among the definition's routes: it must be Routes=None."),
        (["a"], "None,A", "names None, not among the definition's routes: it must be Routes=A."),
        (["a"], "None", "lacks A and names None, not among the definition's routes: it must be Routes=A."),
    ],
)
def test_a_disagreement_names_the_value_that_is_needed(routes: list[str], parameter: str, told: str | None) -> None:
    assert disagreement(routes, parameter) == (told and f"The parameter Routes {told}")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([f"r{number}" for number in range(71)], None),
        ([f"r{number}" for number in range(72)], "a stack may have 71 routes, not 72"),
        ([f"{'long' * 11}-{number:02}" for number in range(53)], None),  # 46 characters each, and 52 commas
        ([f"{'long' * 11}-{number:02}" for number in range(54)], "may take 2,500 characters, not 2,537: shorten"),
    ],
)
def test_more_routes_than_a_stack_can_have_are_refused_with_the_definition(
    names: Sequence[str], reason: str | None
) -> None:
    """Before, CloudFormation refused them."""
    things = Collection("things", schema={"type": "object"})
    routes = [Route(name, of=things, when=bool) for name in names]
    with nullcontext() if reason is None else pytest.raises(DefinitionError, match=f"^routes=: .*{reason}"):
        Pipeline([things], routes=routes)
