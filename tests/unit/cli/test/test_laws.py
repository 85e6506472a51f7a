"""What must hold for an item: no measure orders an enum by its names, and what cannot be counted is one problem."""

from typing import Any

from cli.definitions.subject import Subject
from cli.test.laws import problems
from tailrace import Aggregate, Collection, Pipeline, count, day, distinct, field, largest, last, maximum, minimum
from tests.unit.cli.test.orders import OPEN, ORDER, with_member


def test_a_member_of_an_enum_that_would_be_ordered_by_its_name_breaks_a_law() -> None:
    orders = Collection("orders", schema=OPEN, transform=with_member)
    ranked = {"a": maximum("country"), "b": largest("plain", 2, show=["country"]), "c": minimum("plain")}
    for name, measure in (ranked | {"d": distinct("country"), "e": last("plain", by_value="country")}).items():
        aggregate = Aggregate("a", of=orders, by=[field("country")], measures={"m": measure})
        found = list(problems(Subject.of(Pipeline([orders], [aggregate]), orders), ORDER))
        assert [one.law for one in found if one.is_error] == ["enum"] * (name in "abe")


def test_elements_that_cannot_be_counted_are_one_problem_wherever_they_are() -> None:
    orders = Collection("orders", schema=OPEN)
    aggregate = Aggregate("a", of=orders, each="lines", by=[field("lines.p"), day("at")], measures={"n": count()})
    subject = Subject.of(Pipeline([orders], [aggregate]), orders)
    found: list[dict[str, Any]] = [{"lines": [{"p": "a"}] * good + [{"p": []}], "at": "2024-06-01"} for good in (0, 2)]
    assert {one.where for item in found for one in problems(subject, item)} == {"aggregate 'a': /lines/*/p"}
    (outside,) = problems(subject, {"lines": [{"p": "a"}], "at": "soon"})
    assert outside.where == "aggregate 'a': /at"
