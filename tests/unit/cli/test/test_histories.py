"""Histories of items: what their rows are compared with."""

from random import Random

from cli.test.histories import Write, difference
from tailrace import Aggregate, Collection, Pipeline, distinct

things = Collection("things", schema={})
pipeline = Pipeline([things], [Aggregate("all", of=things, by=[], measures={"different": distinct("x")})])


def test_a_value_that_becomes_an_equal_one_of_another_type_is_a_change() -> None:
    writes = [Write("things", "1", {"x": x}) for x in (1, True, 0, False)]
    for last in range(1, 5):
        assert difference(pipeline, writes[:last], Random(0)) is None  # noqa: S311 - not for secrets
