"""Routing: what a process remembers of earlier images never changes what it sends."""

import gc
import weakref
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, field
from tailrace.aggregation.fold import fold_records
from tailrace.encoding.numbers import EXACT
from tailrace.encoding.tagged_json import loads
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.archives import MAX_LINE_BYTES
from tailrace.outputs.prepared_images import MAX_ITEM_TEXT_BYTES, PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event, record
from tests import strategies
from tests.pipelines.orders import pipeline

NUMBER = Decimal("1234567890.12345678")
ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": 500}


def sent(records: list[dict[str, Any]], images: PreparedImages) -> Any:
    found = dispatch(parse_raw_batch(event(records)), pipeline, images)
    routes = {route: [outgoing.text for outgoing in events] for route, events in found.routes.items()}
    return (
        [outgoing.text for outgoing in found.archive],
        routes,
        [(one.sequence, one.object) for one in found.quarantine],
    )


# with each change, the image before it is mostly the one that came last, and sometimes another
changes = st.lists(
    st.tuples(st.sampled_from("12"), st.booleans(), st.none() | strategies.orders, st.none() | strategies.orders),
    max_size=12,
)


@given(changes)
def test_remembered_images_are_the_ones_that_would_be_prepared(drawn: list[Any]) -> None:
    newest: dict[str, Any] = {}
    records = []
    for number, (item_id, follows, other, new) in enumerate(drawn):
        old = newest.get(item_id) if follows else other
        records.append(record(number, "orders", (item_id, old, new)))
        newest[item_id] = new
    remembering = PreparedImages(pipeline)
    for one in records:
        assert sent([one], remembering) == sent([one], PreparedImages(pipeline))
    assert sent(records, remembering) == sent(records, PreparedImages(pipeline))


def test_the_newest_image_of_an_item_is_prepared_already() -> None:
    images = PreparedImages(pipeline)
    first, second = (
        record(number, "orders", ("1", None, ORDER | {"amount": number, "notes": {"a": 1, "b": 2}}))
        for number in (1, 2)
    )
    sent([first, second], images)
    image = second["dynamodb"]["NewImage"]
    assert images.decode("orders#1", image).prepared is not None
    assert images.decode("orders#1", first["dynamodb"]["NewImage"]).prepared is None
    # an event's members have the order of the image that it came with
    assert images.decode("orders#1", dict(reversed(image.items()))).prepared is None
    notes = {"notes": {"M": dict(reversed(image["notes"]["M"].items()))}}
    assert images.decode("orders#1", {**image, **notes}).prepared is None


def test_an_event_has_its_members_in_order() -> None:
    (text,), _, _ = sent([record(7, "orders", ('"#\\', None, ORDER))], PreparedImages(pipeline))
    assert list(loads(text)) == ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"]
    assert list(loads(text)["data"]) == ["old", "new", "shard", "sequence"]
    assert loads(text)["subject"] == '"#\\'


def has_exact_square(reading: dict[str, Any]) -> bool:
    """Return whether squares have all their 38 digits, as in the fold's decimal context."""
    return bool(reading["n"] * reading["n"] == EXACT.multiply(NUMBER, NUMBER))


def test_fanout_leaves_what_the_fold_would_find_in_the_cache_that_they_share() -> None:
    readings = Collection("readings", schema={"type": "object"})
    measures = {"exact": count(where=has_exact_square)}
    counted = Pipeline([readings], [Aggregate("all", of=readings, by=[field("sensor")], measures=measures)])
    records = [record(1, "readings", ("1", None, {"sensor": "a", "n": NUMBER}))]
    dispatch(parse_raw_batch(event(records)), counted, PreparedImages(counted))
    (row,) = fold_records(records, counted).rows
    assert row.deltas() == (1, 1)


def test_an_item_that_becomes_too_long_for_an_event_is_refused() -> None:
    """An object of the archive with its event would have no catalog row, so none of its events could be sent again."""
    long = Collection("notes", schema={}, transform=lambda item: item | {"text": "x" * item["length"]})
    defined, images = Pipeline([long]), PreparedImages(Pipeline([long]))
    fits = MAX_ITEM_TEXT_BYTES - len('{"length":20000000,"text":""}')

    def dispatched(old: int | None, new: int | None) -> Any:
        before, after = (None if length is None else {"length": length} for length in (old, new))
        return dispatch(parse_raw_batch(event([record(1, "notes", ("1", before, after))])), defined, images)

    found = dispatched(None, fits + 1)
    (report,) = found.quarantine
    assert found.archive == []
    assert "more than 20 MB" in loads(report.object.body)["violations"][0]["message"]
    assert loads(report.object.body)["refused"]
    (sent,) = dispatched(fits, fits).archive
    assert 2 * fits < len(sent.text) < MAX_LINE_BYTES
    assert not dispatched(fits, fits).quarantine
    assert '"tailrace.notes.inserted"' in dispatched(fits + 1, 1).archive[0].text
    assert not dispatched(fits + 1, None).archive


class Records(list[Any]):
    """Records that can be watched."""


@pytest.mark.parametrize("of", [Collection("orders", schema={"required": ["shop"]}), Collection("orders", schema={})])
def test_what_is_kept_of_an_invalid_item_does_not_keep_its_batch(of: Collection) -> None:
    """Without a search for cyclic garbage, which functions put off."""
    pipeline = Pipeline([of], [Aggregate("shops", of=of, by=[field("shop")], measures={"n": count()})])
    gc.collect()
    gc.disable()
    try:
        for handle in (
            lambda given: dispatch(parse_raw_batch(given), pipeline, PreparedImages(pipeline)).quarantine,
            lambda given: fold_records(given["Records"], pipeline),
        ):
            records = Records(
                [
                    record(1, "orders", ("1", None, {"shop": [], "amount": 1})),
                    record(2, "orders", ("2", None, {"x": 1})),
                ]
            )
            alive = weakref.ref(records)
            kept = handle(event([]) | {"Records": records})
            del records
            assert kept
            assert alive() is None
    finally:
        gc.enable()
