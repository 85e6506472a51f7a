"""Slow services: each call advances a clock, and a table serves a limited number of rows per second.

A call includes the SDK's attempts, and may kill the process, before or after it takes effect.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from msgspec import Struct, field

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace.encoding.json_types import Json
from tailrace.testing import SHARD

_PAUSE_MS = 1_000  # between two deliveries
_ATTEMPTS = 4
_DIES = 0.01
_ROWS_OF_A_READ = 25  # of a query, which is charged for the size of its page
_SAVED_UP_MS = 5_000  # capacity that a table has not used for so long is available later
_PAGE = 100
_BUSY = {"Code": "ThrottlingError", "Message": "too fast"}


class Killed(BaseException):
    """Lambda has ended the process, and its memory is gone."""


class Clock(Struct):
    """The time of all services and of the running invocation; also serves as Lambda's context."""

    now_ms: float = 0
    ends_ms: float = 0

    def begin(self, timeout_s: float) -> None:
        """Begin an invocation."""
        self.now_ms += _PAUSE_MS
        self.ends_ms = self.now_ms + timeout_s * 1000

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that the invocation has left."""
        return int(self.ends_ms - self.now_ms)

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Killed: the invocation ends meanwhile.
        """
        self.now_ms += seconds * 1000
        if self.now_ms >= self.ends_ms:
            self.now_ms = self.ends_ms
            raise Killed


class Speed(Struct):
    """The present slowness of a service.

    Attributes:
        call_s: the time of a call, apart from its rows.
        reads: rows that can be read in a second; None for any number.
        writes: rows that can be written in a second.
    """

    call_s: float = 0
    reads: float | None = None
    writes: float | None = None


class SlowCalls(Struct):
    """Makes calls that take time; ``lanes`` is the number of calls that run at the same time.

    The process dies at a random call while there are ``deaths`` left.
    """

    clock: Clock
    chance: Random
    speed: Speed = field(default_factory=Speed)
    lanes: int = 1
    deaths: int = 0
    _free_ms: dict[str, float] = field(default_factory=dict)

    def call(self, effect: Callable[[], Json]) -> Json:
        """Make a call, during which the process may be killed."""
        takes_ms = self.chance.uniform(0.5, 1.5) * self.speed.call_s * 1000 / self.lanes
        dies = self.deaths > 0 and self.chance.random() < _DIES
        if dies or self.clock.now_ms + takes_ms >= self.clock.ends_ms:
            with suppress(Exception):  # the process is gone
                if self.chance.random() < 0.5:
                    effect()
        if dies:
            self.deaths -= 1
            raise Killed
        self.clock.sleep(takes_ms / 1000)
        return effect()

    def granted(self, kind: str, wanted: int) -> int:
        """Return how many of the rows can be read or written now."""
        rate = self.speed.reads if kind == "reads" else self.speed.writes
        if rate is None:
            return wanted
        now = self.clock.now_ms
        since_ms = max(self._free_ms.get(kind, now), now - _SAVED_UP_MS)
        granted = max(0, min(wanted, int((now - since_ms) * rate / 1000)))
        self._free_ms[kind] = since_ms + granted * 1000 / rate
        return granted

    def all_or_none(self, operation: str, kind: str, rows: int, effect: Callable[[], Json]) -> Json:
        """Make a call that is throttled as a whole, with the SDK's attempts."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.clock.sleep(self.chance.random() * 2 ** (attempt - 1) / self.lanes)
            granted = self.granted(kind, 1)
            if granted:
                if kind in self._free_ms:  # a call may overdraw the bucket beyond its first row
                    rate = self.speed.reads if kind == "reads" else self.speed.writes
                    self._free_ms[kind] += (rows - 1) * 1000 / rate if rate else 0
                return self.call(effect)
            self.clock.sleep(self.speed.call_s / self.lanes)
        raise client_error(operation, "ThrottlingException")


class SlowTable(Struct):
    """A DynamoDB client for tables in memory, and for the stream of one shard, which has all ``records``."""

    calls: SlowCalls
    database: Database
    records: Sequence[Json] = ()

    def describe_stream(self, **_request: Any) -> Json:
        """Describe the stream."""
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD, "SequenceNumberRange": {}}]}}

    def get_shard_iterator(self, *, SequenceNumber: str, ShardIteratorType: str, **_request: str) -> Json:  # noqa: N803
        """Begin to read the stream."""
        start = int(SequenceNumber) + (ShardIteratorType == "AFTER_SEQUENCE_NUMBER")
        return self.calls.call(lambda: {"ShardIterator": str(start)})

    def get_records(self, *, ShardIterator: str) -> Json:  # noqa: N803
        """Read a page of the stream."""

        def read() -> Json:
            numbers = [int(one["dynamodb"]["SequenceNumber"]) for one in self.records]
            found = [one for one, number in zip(self.records, numbers, strict=True) if number >= int(ShardIterator)]
            page = found[:_PAGE]
            after = int(page[-1]["dynamodb"]["SequenceNumber"]) + 1 if page else int(ShardIterator)
            return {"Records": page, "NextShardIterator": str(after)}

        return self.calls.call(read)

    def update_item(self, **request: Any) -> Json:
        """Write a row."""
        return self.calls.all_or_none("UpdateItem", "writes", 1, lambda: self.database.update_item(**request))

    def put_item(self, **request: Any) -> Json:
        """Write a row."""
        return self.calls.all_or_none("PutItem", "writes", 1, lambda: self.database.put_item(**request))

    def delete_item(self, **request: Any) -> Json:
        """Delete a row."""
        return self.calls.all_or_none("DeleteItem", "writes", 1, lambda: self.database.delete_item(**request))

    def get_item(self, **request: Any) -> Json:
        """Read a row."""
        return self.calls.all_or_none("GetItem", "reads", 1, lambda: self.database.get_item(**request))

    def query(self, **request: Any) -> Json:
        """Read a page; its cost depends on its size."""
        rows = -(-len(self.database.query(**request)["Items"]) // _ROWS_OF_A_READ) or 1
        return self.calls.all_or_none("Query", "reads", rows, lambda: self.database.query(**request))

    def transact_write_items(self, *, TransactItems: list[Json]) -> Json:  # noqa: N803 - boto3's name
        """Write rows, all or none, each of which counts twice."""

        def write() -> Json:
            return self.database.transact_write_items(TransactItems=TransactItems)

        return self.calls.all_or_none("TransactWriteItems", "writes", 2 * len(TransactItems), write)

    def batch_execute_statement(self, *, Statements: list[Json]) -> Json:  # noqa: N803
        """Write existing rows, as many as can be written now."""
        granted = self.calls.granted("writes", len(Statements))

        def write() -> Json:
            done = self.database.batch_execute_statement(Statements=Statements[:granted]) if granted else {}
            rest = [{"Error": _BUSY} for _ in Statements[granted:]]
            return {"Responses": [*done.get("Responses", ()), *rest]}

        return self.calls.call(write)

    def batch_write_item(self, *, RequestItems: Mapping[str, list[Json]]) -> Json:  # noqa: N803
        """Put rows of one table, as many as can be written now; the others are left unprocessed."""
        ((name, puts),) = RequestItems.items()
        granted = self._granted("BatchWriteItem", "writes", len(puts))

        def write() -> Json:
            for put in puts[:granted]:
                self.database.put_item(TableName=name, Item=put["PutRequest"]["Item"])
            return {"UnprocessedItems": {name: puts[granted:]} if puts[granted:] else {}}

        return self.calls.call(write)

    def batch_get_item(self, *, RequestItems: Mapping[str, Json]) -> Json:  # noqa: N803
        """Read rows, as many as can be read now; the others are left unprocessed."""
        wanted = [(name, key) for name, part in RequestItems.items() for key in part["Keys"]]
        granted = self._granted("BatchGetItem", "reads", len(wanted))
        return self.calls.call(lambda: self._read(RequestItems, wanted[:granted], wanted[granted:]))

    def _granted(self, operation: str, kind: str, wanted: int) -> int:
        """Return how many of the rows are served, at least one, after the SDK's attempts."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.calls.clock.sleep(self.calls.chance.random() * 2 ** (attempt - 1) / self.calls.lanes)
            granted = self.calls.granted(kind, wanted)
            if granted:
                return granted
            self.calls.clock.sleep(self.calls.speed.call_s / self.calls.lanes)
        raise client_error(operation, "ThrottlingException")

    def _read(self, request: Mapping[str, Json], now: list[Any], later: list[Any]) -> Json:
        def part(chosen: list[Any]) -> Json:
            names = dict.fromkeys(name for name, _ in chosen)
            return {name: {**request[name], "Keys": [key for of, key in chosen if of == name]} for name in names}

        return self.database.batch_get_item(RequestItems=part(now)) | {"UnprocessedKeys": part(later)}


class SlowQueues(Struct):
    """An SQS client that sends; it keeps the bodies of all messages by queue."""

    calls: SlowCalls
    sent: dict[str, list[str]] = field(default_factory=dict)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803
        """Send messages."""

        def send() -> Json:
            self.sent.setdefault(QueueUrl, []).extend(entry["MessageBody"] for entry in Entries)
            return {}

        return self.calls.call(send)


class SlowBucket(Struct):
    """An S3 client for objects in memory."""

    calls: SlowCalls
    objects: dict[str, bytes] = field(default_factory=dict)

    def put_object(self, *, Key: str, Body: bytes, **_options: Any) -> Json:  # noqa: N803
        """Store an object."""

        def put() -> Json:
            self.objects[Key] = Body
            return {}

        return self.calls.call(put)

    def get_object(self, *, Key: str, **_options: Any) -> Json:  # noqa: N803
        """Read an object."""
        return self.calls.call(lambda: {"Body": io.BytesIO(self.objects[Key])})
