"""How large items, changes, events and rows are: in bytes, as DynamoDB and Lambda count them."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.frequent_values import frequent_kinds, max_bytes, reserve_size
from tailrace.definition.groups.hops import HopGroup
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.pipeline import Pipeline
from tailrace.definition.row_attributes import EXPIRES_AT, UPDATED_AT
from tailrace.definition.times.calendar_units import first_day, last_day
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.limits import item_bytes
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event

_NUMBER_BYTES = 8
_TIME_BYTES = 29
_VALUE_BYTES = 16  # for a value in a list of an order measure
_FOREVER_S = 172_800.0  # marks of shards that have ended are kept for 48 hours
_SAMPLED = 500  # changes of a chunk


class MeanSizes:
    """Means over the first changes of each chunk."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._images = PreparedImages(pipeline)
        self._changes = self._units = self._record_bytes = self._events = self._event_bytes = 0
        self._routed: Counter[str] = Counter()

    def add(self, records: Sequence[Json]) -> None:
        """Add the first records of a chunk."""
        sampled = records[:_SAMPLED]
        self._changes += len(sampled)
        self._record_bytes += sum(len(json.dumps(one, default=_binary)) + 2 for one in sampled)
        self._units += sum(_units(one) for one in sampled)
        sent = dispatch(parse_raw_batch(event(sampled)), self._pipeline, self._images)
        self._events += len(sent.archive)
        self._event_bytes += sum(len(outgoing.text.encode()) + 1 for outgoing in sent.archive)
        self._routed.update({name: len(events) for name, events in sent.routes.items()})

    @property
    def item_units(self) -> float:
        """Write units of a change of an item."""
        return self._units / self._changes

    @property
    def record_bytes(self) -> float:
        """Bytes of a change in an event of the stream."""
        return self._record_bytes / self._changes

    @property
    def event_bytes(self) -> float:
        """Bytes that a change takes in messages to the archive."""
        return self._event_bytes / self._changes

    @property
    def routed(self) -> dict[str, float]:
        """Events of each route per change."""
        return {name: count / self._changes for name, count in self._routed.items()}


def _binary(value: bytes) -> str:
    """Return binary as an event has it."""
    return base64.b64encode(value).decode()


def _units(stream_record: Json) -> int:
    """Return the write units of a change: those of the larger of both images."""
    images = [stream_record["dynamodb"].get(name) for name in ("OldImage", "NewImage")]
    size = max(item_bytes("", decode_item(image)) for image in images if image is not None)
    return -(-size // 1024)


def row_bytes(row: RowChange, *, is_main: bool) -> int:
    """Return the size of a row without its marks, about: its numbers are counted as 8 bytes each."""
    aggregate = row.layout.aggregate
    parts = ["pk", "sk", *row.key, *row.layout.labels, *map(str, row.labels), *row.layout.counters]
    size = sum(len(part.encode(errors="replace")) for part in parts) + _NUMBER_BYTES * len(row.layout.counters)
    size += len(UPDATED_AT) + _TIME_BYTES
    if row.expires_at is not None:
        size += len(EXPIRES_AT) + _NUMBER_BYTES
    for name, measure in aggregate.measures.items() if is_main else ():
        if isinstance(measure, OrderMeasure):
            size += len(name) + _VALUE_BYTES * measure.values_stored
    kinds = frequent_kinds(aggregate).values() if is_main else ()
    for kind in kinds:
        reserve = reserve_size(kind.value_ranges["frequent"])
        size += min(max_bytes(len(kinds)), reserve * (_VALUE_BYTES + _NUMBER_BYTES))
    return size


def life_seconds(row: RowChange) -> float:
    """Return how long a row takes changes: the length of its time bucket or window, or as long as marks are kept."""
    aggregate = row.layout.aggregate
    if (bucket := aggregate.bucket) is None:
        return _FOREVER_S
    label = row.labels[aggregate.by.index(bucket)]
    # by the calendar: the last day of the year 9999, which often stands for "never", has no end in UTC
    days = (last_day(label, bucket.unit) - first_day(label)).days + 1
    length = bucket.length or timedelta(days=days)
    return length.total_seconds() * (bucket.windows if isinstance(bucket, HopGroup) else 1)
