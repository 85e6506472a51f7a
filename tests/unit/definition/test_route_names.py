"""The names of routes in the template, and how the template's parameter differs from the definition."""

import pytest

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
