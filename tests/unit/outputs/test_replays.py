"""Replays: the present definition decides what is sent again, and every event is marked."""

from typing import Any

import pytest

from tailrace import Aggregate, Collection, Pipeline, Route, count, field, total
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, NotFound
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.replays import ReplayedEvents, find_route, replay_events, replay_items
from tailrace.outputs.routing import Dispatch, dispatch
from tailrace.testing import SHARD, event, history, record, rows

ITEM = {"amount": 7}


def definition(transform: Any = None, when: Any = lambda item: item["amount"] > 5) -> Pipeline:
    orders = Collection("orders", schema={"type": "object"}, transform=transform)
    return Pipeline([orders], routes=[Route("large", of=orders, when=when)])


def broken(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"half": item["amont"] / 2}


def refused(more: dict[str, Any] | None = None) -> dict[str, Any]:
    return record(3, "orders", ("1", None, ITEM)) | {"shard": SHARD} | (more or {})


def dispatched(changes: dict[str, Any], pipeline: Pipeline) -> Dispatch:
    return dispatch(parse_raw_batch(changes), pipeline, PreparedImages(pipeline))


def test_a_mended_definition_inserts_the_item_for_archive_and_routes() -> None:
    found = replay_items([refused()], definition())
    (archived,) = found.archive
    assert found.routes["large"] == [archived]
    assert found.violations == {}
    assert loads(archived.text) == {
        "specversion": "1.0",
        "id": f"{3:032x}-replayed",
        "source": refused()["eventSourceARN"],
        "type": "tailrace.orders.inserted",
        "subject": "1",
        "time": "2023-11-14T22:13:23Z",
        "datacontenttype": "application/json",
        "data": {"old": None, "new": ITEM, "shard": SHARD, "sequence": "3"},
        "replayed": True,
    }


def test_a_second_replay_has_the_same_events() -> None:
    (first,) = replay_items([refused()], definition()).archive
    again = refused({"eventID": loads(first.text)["id"]})
    assert replay_items([again], definition()).archive == [first]


def test_an_item_that_is_still_refused_is_not_sent_and_the_others_are() -> None:
    unknown = record(4, "planes", ("1", None, ITEM))
    found = replay_items([refused(), unknown], definition(broken))
    assert found.archive == []
    assert [violation.keyword for violation in found.violations[0]] == ["transform"]
    assert [violation.keyword for violation in found.violations[1]] == ["collection"]


def test_an_item_that_only_a_route_refused_goes_to_this_route_with_its_own_id() -> None:
    assert replay_items([refused({"routes": []})], definition()).routes["large"] == []
    found = replay_items([refused({"routes": ["large"]})], definition())
    assert found.archive == []
    assert [loads(outgoing.text)["id"] for outgoing in found.routes["large"]] == [f"{3:032x}"]
    still = replay_items([refused({"routes": ["large"]})], definition(when=lambda item: item["amont"] > 5))
    assert still.routes["large"] == []
    assert [violation.keyword for violation in still.violations[0]] == ["when"]


def test_a_record_that_is_no_change_is_refused_and_the_others_are_not() -> None:
    stranger = refused() | {"dynamodb": {"SequenceNumber": "1"}}
    found = replay_items([stranger, refused()], definition())
    assert [violation.keyword for violation in found.violations[0]] == ["record"]
    assert [event.sequence for event in found.archive] == [1]
    with pytest.raises(InvalidMessage, match="no sequence number"):
        replay_items([{"dynamodb": {}}], definition())


def test_a_route_gets_the_archived_events_that_concern_it_in_order() -> None:
    writes = [("1", {"amount": 7}), ("2", {"amount": 1}), ("1", {"amount": 2}), ("1", {"amount": 3}), ("1", None)]
    sent = dispatched(event(history("orders", writes)), definition())
    texts = [outgoing.text for outgoing in sent.archive]
    again = replay_events(texts, find_route(definition(), "large"))
    assert [outgoing.sequence for outgoing in again.events] == [0, 2]
    assert [loads(outgoing.text) for outgoing in again.events] == [
        loads(outgoing.text) | {"replayed": True} for outgoing in sent.routes["large"]
    ]
    foreign = texts[0].replace("tailrace.orders.", "tailrace.orders2.")
    assert replay_events([foreign], find_route(definition(), "large")) == ReplayedEvents()


def test_events_on_which_a_predicate_fails_are_told() -> None:
    writes: list[tuple[str, dict[str, Any] | None]] = [
        ("1", {"amount": "a"}),
        ("1", {"amount": 7}),
        ("1", {"amount": "b"}),
        ("1", {"amount": "c"}),
    ]
    sent = dispatched(event(history("orders", writes)), definition(when=lambda _item: False))
    again = replay_events([one.text for one in sent.archive], find_route(definition(), "large"))
    assert [outgoing.sequence for outgoing in again.events] == [1, 2]  # of their two items, one matches
    assert again.violations.keys() == {0, 3}
    assert "route 'large': TypeError" in again.violations[0][0].message


def test_a_predicate_that_changes_its_item_changes_no_replayed_event() -> None:
    """As the first time: the event is written before a predicate sees the item."""
    pipeline = definition(when=lambda item: item.pop("amount") > 5)
    sent = dispatched(event(history("orders", [("1", {"amount": 7, "a": 1})])), pipeline)
    (again,) = replay_events([one.text for one in sent.archive], find_route(pipeline, "large")).events
    assert loads(again.text)["data"] == loads(sent.routes["large"][0].text)["data"]


NO_EVENTS: list[Any] = [
    *(
        "[]",
        "{}",
        '{"type": 1, "data": {}}',
        '{"type": "tailrace.orders.inserted"}',
        "{",
        "",
        '"x"',
        "NaN",
        5,
        None,
        {},
    ),
    '{"type": "tailrace.orders.inserted", "data": {"new": []}}',
    '{"type": "tailrace.orders.inserted", "data": {"old": {"a": 1, "a": 2}}}',
    '{"type": "tailrace.orders.inserted", "data": {"new": {"a": "\\ud800"}}}',
]


@pytest.mark.parametrize("text", NO_EVENTS, ids=str)
def test_what_is_no_archived_event_is_rejected(text: Any) -> None:
    with pytest.raises(InvalidMessage):
        replay_events([text], find_route(definition(), "large"))


def test_an_unknown_route_is_named_with_those_that_exist() -> None:
    with pytest.raises(NotFound, match=r"no route is named 'small'; defined: large"):
        find_route(definition(), "small")


def test_reports_of_changes_say_what_a_replay_needs() -> None:
    changes = event(history("orders", [("1", ITEM), ("2", {"amount": "x"})]))
    (report,) = dispatched(changes, definition()).quarantine
    assert {name: loads(report.object.body)[name] for name in ("sequence", "refused")} == {
        "sequence": "2",
        "refused": False,
    }
    (first, _) = dispatched(changes, definition(broken)).quarantine
    assert loads(first.object.body)["refused"] is True


def test_why_a_replay_cannot_make_aggregates_right() -> None:
    """Under fixed code an equal item is no change, and a later change subtracts what was never added.

    What is missing is the item's own contribution, whatever happens to it: a recount of the items finds it.
    """

    def counted(transform: Any) -> Pipeline:
        orders = Collection("orders", schema={"type": "object"}, transform=transform)
        measures = {"orders": count(), "revenue": total("amount")}
        return Pipeline([orders], [Aggregate("all", of=orders, by=[field("shop")], measures=measures)])

    def totals(steps: list[Any], definition: Pipeline) -> tuple[int, int]:
        other = ("other", None, {"shop": "a", "amount": 100, "amont": 0})
        changes = [record(place + 1, "orders", step) for place, step in enumerate([other, *steps])]
        (row,) = rows(changes, definition)["all"]
        return row["orders"] - 1, row["revenue"] - 100

    first, second = {"shop": "a", "amount": 5}, {"shop": "a", "amount": 7}
    absorbed = totals([("1", None, first)], counted(broken))
    touched = totals([("1", first, first)], counted(None))
    changed = totals([("1", first, second)], counted(None))
    recount = totals([("1", None, second)], counted(None))
    missing = totals([("1", None, first)], counted(None))
    assert absorbed == touched == (0, 0)
    assert (changed, missing, recount) == ((0, 2), (1, 5), (1, 7))
