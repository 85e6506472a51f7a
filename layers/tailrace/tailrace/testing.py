"""Test your own definition: stream records from a history of writes, and the rows that they produce.

    >>> from tailrace import Aggregate, Collection, Pipeline, count, field, maximum, total
    >>> orders = Collection("orders", schema={"type": "object", "required": ["shop"]})
    >>> measures = {"orders": count(), "revenue": total("amount"), "largest": maximum("amount")}
    >>> shops = Aggregate("shops", of=orders, by=[field("shop")], measures=measures)
    >>> pipeline = Pipeline([orders], [shops])
    >>> writes = [("1", {"shop": "a", "amount": 5}), ("2", {"shop": "a", "amount": 7}), ("2", None)]
    >>> rows(history("orders", writes), pipeline)["shops"]
    [{'shop': 'a', 'orders': 1, 'revenue': 5, 'largest': 5}]

Nothing here needs AWS. To see why an item is invalid, call :meth:`tailrace.Collection.prepare`.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import localcontext
from functools import lru_cache

from tailrace.aggregation.fold import absorb
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator, RowChange
from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.definition.pipeline import Pipeline
from tailrace.definition.row_attributes import EXPIRES_AT, UPDATED_AT
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.json_types import Item, Json, Row
from tailrace.encoding.keys import value_rows_key
from tailrace.encoding.numbers import EXACT
from tailrace.encoding.tagged_json import canonical_json
from tailrace.errors import InvalidMessage
from tailrace.inputs.changes import Change, UnreadableRecord, decode_image, position_of
from tailrace.inputs.effects import Effect, derive_effect
from tailrace.inputs.item_changes import changes_of

SHARD = "shardId-00000001700000000000-0a1b2c3d"
"""The shard of :func:`event`."""

SOURCE = "arn:aws:dynamodb:us-east-1:123456789012:table/items/stream/2024-01-01T00:00:00.000"
"""The stream's ARN in :func:`event` and :func:`record`."""

type Step = tuple[str, Item | None, Item | None]
"""A change: the item's id, the item before (None if inserted) and after (None if deleted)."""


def record(
    sequence: int, collection: str, step: Step, *, expired: bool = False, pipeline: Pipeline | None = None
) -> Json:
    """Return the stream record of one change; ``expired`` makes it a deletion by TTL.

    The item's key is ``pk = "<collection>#<id>"``, or that of the collection in ``pipeline``, if one is given.

    >>> record(1, "orders", ("17", None, {"shop": "a"}))["dynamodb"]["NewImage"]
    {'pk': {'S': 'orders#17'}, 'shop': {'S': 'a'}}
    """
    item_id, old, new = step
    keys = _plain_key(collection) if pipeline is None else pipeline.collection(collection).keys
    key = encode_item(keys.key_of(item_id))
    body: Json = {
        "ApproximateCreationDateTime": 1_700_000_000 + sequence % 86_400,
        "Keys": key,
        "SequenceNumber": f"{sequence:021d}",
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    for name, fields in (("OldImage", old), ("NewImage", new)):
        if fields is not None:
            body[name] = encode_item(keys.row(item_id, fields))
    name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    identity = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}} if expired else {}
    return {
        "eventID": f"{sequence:032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": body,
        "eventSourceARN": SOURCE,
    } | identity


_plain_key = lru_cache(CollectionKey)


def history(
    collection: str, writes: Iterable[tuple[str, Item | None]], first: int = 1, pipeline: Pipeline | None = None
) -> list[Json]:
    """Return the stream records of writes ``(id, item)`` to an initially empty table; an item of None is a deletion.

    A write that changes nothing makes no record, as in DynamoDB. ``first`` is the first sequence number. ``pipeline``
    is that of :func:`record`.

    >>> [record["eventName"] for record in history("orders", [("1", {"a": 1}), ("1", {"a": 1}), ("1", None)])]
    ['INSERT', 'REMOVE']
    """
    table: dict[str, Item] = {}
    records: list[Json] = []
    for item_id, new in writes:
        old = table.get(item_id)
        if canonical_json(old) == canonical_json(new):  # in Python, True equals 1
            continue
        records.append(record(first + len(records), collection, (item_id, old, new), pipeline=pipeline))
        if new is None:
            table.pop(item_id)
        else:
            table[item_id] = new
    return records


def event(records: Iterable[Row], *, shard: str | None = SHARD) -> Json:
    """Return the Lambda event of a mapping with a tumbling window; without a shard, that of a mapping without one."""
    if shard is None:
        return {"Records": list(records)}
    return {
        "window": {"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:15:00Z"},
        "state": {},
        "shardId": shard,
        "eventSourceARN": SOURCE,
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
        "Records": list(records),
    }


def fold(effects: Iterable[Effect], pipeline: Pipeline, lane_seed: str = "") -> FoldResult:
    """Fold changes by the reference path: :func:`tailrace.aggregation.fold.fold_records` without its caches."""
    accumulator = RowAccumulator(zlib.crc32(lane_seed.encode()))
    with localcontext(EXACT):
        for effect in effects:
            absorb(accumulator, effect, plan_of(pipeline).evaluators)
    return accumulator.result()


def stored_rows(records: Iterable[Row], pipeline: Pipeline) -> list[Json]:
    """Return the rows that a whole history leaves in the aggregates table, in key order.

    They lack the attributes that depend on how a row was written: ``updated_at`` and the marks. Value rows and lists
    of groups are left out.

    Raises:
        InvalidMessage: a record is not a change to an item.
    """
    return [_stored_row(change) for change in _sorted_changes(records, pipeline) if change.deltas()[0]]


def rows(records: Iterable[Row], pipeline: Pipeline) -> Mapping[str, list[Json]]:
    """Return each aggregate's rows after a whole history, in key order; as readers get them, without ``updated_at``.

    For an aggregate with several versions, return the rows of the highest.

    Raises:
        InvalidMessage: a record is not a change to an item.
    """
    found: dict[str, list[Json]] = {aggregate.name: [] for aggregate in pipeline.newest_aggregates}
    for change in _sorted_changes(records, pipeline):
        aggregate = change.layout.aggregate
        row = aggregate.render(_stored_row(change))
        if row is not None and aggregate in pipeline.newest_aggregates:
            del row[UPDATED_AT]
            found[aggregate.name].append(row)
    return found


def _sorted_changes(records: Iterable[Row], pipeline: Pipeline) -> list[RowChange]:
    effects = (derive_effect(change, pipeline) for record in records for change in _changes(record, pipeline))
    return sorted(fold(effects, pipeline).rows, key=lambda change: change.key)


def _changes(record: Row, pipeline: Pipeline) -> Iterator[Change]:
    for change in changes_of(record, None, position_of(record), pipeline, decode_image):
        if isinstance(change, UnreadableRecord):
            raise InvalidMessage(change.reason)
        if isinstance(change, Change):
            yield change


def _stored_row(change: RowChange) -> Json:
    row: Json = dict(zip(("pk", "sk"), change.key, strict=True))
    row |= zip(change.layout.labels, change.labels, strict=True)
    row |= zip(change.layout.counters, change.deltas(), strict=True)
    for kind in change.layout.aggregate.value_rows:
        pk = value_rows_key(change.key, kind.name)
        below = sorted(
            ((key[1], value) for key, value in change.value_changes.items() if key[0] == pk), key=lambda pair: pair[0]
        )
        counts = [ValueCount(value.labels, value.deltas()[0]) for _, value in below]
        present = [count for count in counts if count.items]
        state = kind.state(dict.fromkeys(kind.value_ranges, present))
        row |= {name: value for name, value in state.items() if value is not None}
    return row if change.expires_at is None else row | {EXPIRES_AT: change.expires_at}
