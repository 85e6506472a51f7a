"""A fold that remembers images equals one that evaluates every image, whatever came before."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, field, total
from tailrace.aggregation.counted_images import CountedImages
from tailrace.aggregation.fold import fold_records
from tailrace.testing import record
from tests.pipelines import measured, orders
from tests.properties.aggregation.things import closed, described, raw, versions, whole
from tests.strategies import orders as items

steps = st.lists(st.tuples(st.sampled_from("ab"), versions, st.booleans()), max_size=10)
redeliveries = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), max_size=8)


def stream(writes: list[tuple[str, Any, bool]], collection: str) -> list[dict[str, Any]]:
    """Return the records of a history: each change begins where the item's last one ended."""
    newest: dict[str, Any] = {}
    found = []
    for number, (item_id, new, expired) in enumerate(writes, 1):
        found.append(record(number, collection, (item_id, newest.get(item_id), new), expired=expired and new is None))
        newest[item_id] = new
    return found


def check(records: list[dict[str, Any]], cuts: list[tuple[int, int]], pipeline: Pipeline) -> None:
    """Fold parts of a stream in any order, some of them several times, with one memory and without."""
    images = CountedImages()
    for start, size in [(0, len(records)), *cuts]:
        part = records[start : start + size]
        remembering = fold_records(part, pipeline, "b", images)
        assert described(remembering) == described(fold_records(part, pipeline, "b"))


@given(steps, redeliveries)
def test_remembered_images_count_as_they_did(writes: list[tuple[str, Any, bool]], cuts: list[tuple[int, int]]) -> None:
    for pipeline in (raw, closed, whole):
        check(stream(writes, "things"), cuts, pipeline)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.none(), items), st.booleans()), max_size=9), redeliveries)
def test_also_those_that_are_validated_and_transformed(
    writes: list[tuple[str, Any, bool]], cuts: list[tuple[int, int]]
) -> None:
    for pipeline in (orders.pipeline, measured.pipeline):
        check(stream(writes, "orders"), cuts, pipeline)


def test_an_image_is_evaluated_once() -> None:
    evaluated: list[int] = []

    def transform(item: dict[str, Any]) -> dict[str, Any]:
        evaluated.append(item["n"])
        return item

    things = Collection("things", schema={}, transform=transform)
    pipeline = Pipeline([things], [Aggregate("n", of=things, by=[field("shop")], measures={"sum": total("n")})])
    images = CountedImages()
    records = stream([("a", {"shop": "x", "n": n}, False) for n in range(1, 5)], "things")
    for one in records:
        fold_records([one], pipeline, images=images)
    assert evaluated == [1, 2, 3, 4]
    (row,) = fold_records(records[1:3], pipeline, images=images).rows  # they come again
    assert row.deltas() == (0, 2)
    assert evaluated == [1, 2, 3, 4, 1, 2, 3]


def test_a_predicate_that_modifies_its_item_takes_back_what_it_added() -> None:
    def is_first_time(item: dict[str, Any]) -> bool:
        return bool(item["tags"] and item["tags"].pop())

    things = Collection("things", schema={})
    measures = {"first": count(where=is_first_time)}
    pipeline = Pipeline([things], [Aggregate("n", of=things, by=[field("shop")], measures=measures)])
    images = CountedImages()
    here, there = ({"shop": shop, "tags": ["x"]} for shop in "ab")
    sums: dict[str, list[int]] = {"a": [0, 0], "b": [0, 0]}
    for one in stream([("1", here, False), ("1", there, False), ("1", here, False), ("1", None, False)], "things"):
        for row in fold_records([one], pipeline, images=images).rows:
            for position, delta in enumerate(row.deltas()):
                sums[row.labels[0]][position] += int(delta)
    assert sums == {"a": [0, 0], "b": [0, 0]}


def test_an_image_that_has_no_json_is_counted_as_well() -> None:
    things = Collection("things", schema={})
    pipeline = Pipeline([things], [Aggregate("n", of=things, by=[field("shop")], measures={"sum": total("n")})])
    records = stream([("a", {"shop": "\ud800", "n": 1}, False), ("a", {"shop": "\ud800", "n": 3}, False)], "things")
    check(records, [(0, 1), (1, 1)], pipeline)
