"""Changes of items in a table with keys of its own, from stream records."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from tailrace import Aggregate, Collection, Pipeline, count, field, total
from tailrace.aggregation.fold import fold_records
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.keys import item_key
from tailrace.inputs.changes import Change, UnreadableRecord, decode_image, parse_raw_batch
from tailrace.inputs.item_changes import (
    MOVED,
    UnmatchedItem,
    changes_of,
    decoded_changes,
    expired_collections,
    stored_key,
)
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import SOURCE, event, history, rows

KEY = {"PK": "CUSTOMER#{customer}", "SK": "DOC#{number:text}"}
offers, orders = (
    Collection(name, schema={}, key=KEY, match={"kind": name}, on_expiry=keep, ttl="ends")  # type: ignore[arg-type]
    for name, keep in (("offers", "keep"), ("orders", "retract"))
)
MEASURES = {"documents": count(), "amount": total("amount")}
AGGREGATES = [Aggregate(one.name, of=one, by=[field("customer")], measures=MEASURES) for one in (offers, orders)]
pipeline = Pipeline([offers, orders], AGGREGATES)
strict = Pipeline([offers, orders], AGGREGATES, strict=True)

type Row = dict[str, Any]


def document(kind: str | None, amount: int = 1, **others: Any) -> Row:
    return {"PK": "CUSTOMER#c", "SK": "DOC#1", "amount": amount} | ({"kind": kind} if kind else {}) | others


def record(old: Row | None, new: Row | None, sequence: int = 1, at: int = 1_000, **others: Any) -> dict[str, Any]:
    keys = {name: value for name, value in encode_item(new or old or {}).items() if name in KEY}
    images = {name: encode_item(row) for name, row in (("OldImage", old), ("NewImage", new)) if row is not None}
    body = {"Keys": keys, "SequenceNumber": str(sequence), "ApproximateCreationDateTime": at} | images
    name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    return {"eventID": f"e{sequence}", "eventName": name, "dynamodb": body, "eventSourceARN": SOURCE} | others


def read(given: dict[str, Any], of: Pipeline = pipeline) -> list[Change | UnreadableRecord | UnmatchedItem]:
    batch = parse_raw_batch({"Records": [given]})
    return list(changes_of(given, "s", batch.positions[0], of, decode_image))


def test_an_item_that_passes_to_another_collection_leaves_the_first() -> None:
    removal, insertion = read(record(document("offers"), document("orders", 2)))
    assert isinstance(removal, Change)
    assert isinstance(insertion, Change)
    assert (removal.event_id, removal.collection, removal.id) == (f"e1{MOVED}", "offers", "c/1")
    assert (insertion.event_id, insertion.collection, insertion.id) == ("e1", "orders", "c/1")
    assert removal.old == {"customer": "c", "number": "1", "amount": 1, "kind": "offers"}
    assert (removal.new, insertion.old) == (None, None)
    assert insertion.new == {"customer": "c", "number": "1", "amount": 2, "kind": "orders"}
    assert not removal.expired


def test_an_item_that_no_collection_matches_is_left_alone_and_counted() -> None:
    assert read(record(None, document(None))) == [UnmatchedItem()]
    assert read(record(document(None), None)) == []
    assert read(record(document(None), document("x"))) == [UnmatchedItem()]
    left, unmatched = read(record(document("offers"), document(None)))
    assert isinstance(left, Change)
    assert (left.event_id, left.new, unmatched) == ("e1", None, UnmatchedItem())
    (found,) = read(record(document(None), document("offers")))
    assert isinstance(found, Change)
    assert (found.old, found.collection) == (None, "offers")
    batch = parse_raw_batch(event([record(None, document(None)), record(None, document("orders"), 2)]))
    sent = dispatch(batch, pipeline, PreparedImages(pipeline))
    assert (sent.unmatched, len(sent.quarantine), len(sent.archive)) == (1, 0, 1)


def test_a_strict_pipeline_quarantines_an_item_that_no_collection_matches() -> None:
    (found,) = read(record(None, document(None)), strict)
    assert isinstance(found, UnreadableRecord)
    assert read(record(document(None), None), strict) == []
    sent = dispatch(parse_raw_batch(event([record(None, document(None))])), strict, PreparedImages(strict))
    assert (sent.unmatched, len(sent.quarantine)) == (0, 1)


def test_a_plain_pipeline_that_is_not_strict_leaves_other_items_alone() -> None:
    things = Collection("things", schema={})
    given = history("things", [("1", {"a": 1})]) + history("others", [("1", {"a": 1})], first=2)
    lax = Pipeline([things], strict=False)
    assert [len(read(one, lax)) for one in given] == [1, 1]
    assert read(given[1], lax) == [UnmatchedItem()]
    sent = dispatch(parse_raw_batch(event(given)), lax, PreparedImages(lax))
    assert (sent.unmatched, len(sent.quarantine), len(sent.archive)) == (1, 0, 1)


def counted(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {row.key[0]: row.deltas() for row in fold_records(records, pipeline).rows}


def test_rows_retract_what_they_counted_however_an_item_moves() -> None:
    steps = [
        None,
        document("offers", 3),
        document("orders", 4),
        document(None),
        document("offers", 5),
        document("orders", 6),
    ]
    pairs = enumerate(pairwise(steps), 1)
    records = [record(old, new, number) for number, (old, new) in pairs]
    assert counted(records) == {"offers@1#c": (0, 0, 0), "orders@1#c": (1, 1, 6)}


@pytest.mark.parametrize(
    ("ends", "at", "kept"),
    [(999, 1_000, True), (1_000, 1_000, True), (1_001, 1_000, False), (None, 1_000, False), ("5", 1_000, False)],
)
def test_a_deletion_after_the_items_end_is_an_expiry(ends: Any, at: int, kept: bool) -> None:
    old = document("offers") | ({} if ends is None else {"ends": ends})
    (found,) = read(record(old, None, at=at))
    assert isinstance(found, Change)
    assert found.expired == kept
    assert counted([record(None, old), record(old, None, 2, at)])["offers@1#c"] == ((1, 1, 1) if kept else (0, 0, 0))
    retracting = record(old | {"kind": "orders"}, None, at=at)
    (other,) = read(retracting)
    assert isinstance(other, Change)
    assert not other.expired
    assert expired_collections([retracting], pipeline) == (
        {"orders"} if kept else set()
    )  # if it should keep them later


def test_a_deletion_after_the_end_is_an_expiry_in_a_table_of_ones_own_too() -> None:
    kept = Collection("kept", schema={}, on_expiry="keep")
    (given,) = history("kept", [("1", {})])
    body = given["dynamodb"]
    image = body.pop("NewImage") | {"expires_at": {"N": str(body["ApproximateCreationDateTime"])}}
    (found,) = decoded_changes(
        [given | {"eventName": "REMOVE", "dynamodb": body | {"OldImage": image}}], Pipeline([kept])
    )
    assert found.expired


def test_a_deletion_that_names_ttl_is_an_expiry() -> None:
    ttl = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    deleted = record(document("orders"), None, userIdentity=ttl)
    (found,) = read(deleted)
    assert isinstance(found, Change)
    assert found.expired
    others = [record(document("offers"), None), record(document(None), None, userIdentity=ttl)]
    assert expired_collections([deleted, *others], pipeline) == {"orders"}


def test_histories_for_tests_use_the_collections_keys() -> None:
    records = history("orders", [("c/1", {"amount": 4}), ("d/2", {"amount": 5}), ("d/2", None)], pipeline=pipeline)
    assert records[0]["dynamodb"]["NewImage"] == encode_item(
        {"PK": "CUSTOMER#c", "SK": "DOC#1", "kind": "orders", "amount": 4}
    )
    assert rows(records, pipeline)["orders"] == [{"customer": "c", "documents": 1, "amount": 4}]


@pytest.mark.parametrize(
    "keys",
    [{}, {"PK": {"S": "CUSTOMER#c"}}, {"PK": {"N": "1"}, "SK": {"S": "DOC#1"}}, None, {"PK": {}}, "PK", {"PK": None}],
)
def test_a_record_with_other_keys_stops_nothing(keys: Any) -> None:
    broken = record(None, document("orders"))
    broken["dynamodb"]["Keys"] = keys
    (found,) = read(broken)
    assert isinstance(found, UnreadableRecord)
    assert counted([broken, record(None, document("orders"), 2)]) == {"orders@1#c": (1, 1, 1)}


@pytest.mark.parametrize(
    "pk",
    ["orders#1", "orders##", "orders#", "orders", "#1", "or ders#1", f"orders#{'x' * 1024}", f"orders#{'x' * 1025}"],
)
def test_a_row_is_an_item_to_jobs_if_its_changes_are_counted(pk: str) -> None:
    plain = Pipeline([Collection("orders", schema={})])
    image = {"pk": {"S": pk}, "amount": {"N": "1"}}
    inserted = {"eventID": "1", "dynamodb": {"Keys": {"pk": {"S": pk}}, "NewImage": image, "SequenceNumber": "1"}}
    counted = [item_key(one.collection, one.id) for one in decoded_changes([inserted], plain)]
    assert stored_key(image, plain) == "".join(counted)


def test_a_definition_of_another_table_is_reported_with_both_keys() -> None:
    (found,) = read(history("orders", [("1", {})])[0])
    assert isinstance(found, UnreadableRecord)
    assert found.reason == "the table's key is 'pk' (text); the definition's key= is 'PK' (text) and 'SK' (text)"


LONG = {"PK": "CUSTOMER#" + "x" * 2039, "SK": "DOC#" + "~/%" * 340, "kind": "orders", "amount": 3}
"""A row with keys of 2,048 and 1,024 bytes."""


def test_a_foreign_item_with_the_longest_keys_is_counted_and_archived() -> None:
    amounts = Aggregate("amounts", of=orders, by=[field("amount")], measures={"documents": count()})
    numbers = Aggregate("numbers", of=orders, by=[field("amount"), field("number")], measures={"documents": count()})
    found = Pipeline([offers, orders], [*AGGREGATES, amounts, numbers])
    records = [record(None, LONG), record(None, document("orders"), 2)]
    counts = {name: [row["documents"] for row in of] for name, of in rows(records, found).items()}
    # the group of numbers would make a row's key of 1,700 bytes
    assert counts == {"offers": [], "orders": [1, 1], "amounts": [1, 1], "numbers": [1]}
    sent = dispatch(parse_raw_batch(event(records)), found, PreparedImages(found))
    assert len(sent.archive) == 2
    (change,) = decoded_changes(records[:1], found)
    assert change.id == "x" * 2039 + "/" + "~0~1%" * 340
    (report,) = sent.quarantine
    assert b"numbers" in report.object.body
    assert b'"refused":false' in report.object.body
