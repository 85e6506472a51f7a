"""The functions' boto3 clients: models of table, queue and bucket behind a fault injector."""

import io
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field

from local.in_memory import Database, Unsupported
from local.in_memory.errors import client_error
from local.in_memory.transactions import canceled
from tailrace.aws.backfill.control import CONTROL
from tailrace.aws.backfill.expired_images import EXPIRED
from tailrace.encoding.json_types import Json
from tests.simulation.world.faults import Call, FaultInjector

_PAGE = 3
_FAILED = {"Code": "ThrottlingError", "Message": "too fast"}


class Table(Struct):
    """A DynamoDB client that reads and writes rows."""

    injector: FaultInjector
    database: Database

    def update_item(self, **request: Any) -> Json:
        """Write one row."""
        key = request["Key"]["pk"]["S"]
        return self.injector.send("UpdateItem", key, lambda: self.database.update_item(**request))

    def batch_execute_statement(self, *, Statements: list[Json]) -> Json:  # noqa: N803 - boto3's name
        """Write existing rows."""

        def run(omitted: int = 0) -> Json:
            chosen = [entry for number, entry in enumerate(Statements) if not omitted >> number & 1]
            answer = self.database.batch_execute_statement(Statements=chosen) if chosen else {"Responses": []}
            done = iter(answer["Responses"])
            return {
                "Responses": [
                    {"Error": _FAILED} if omitted >> number & 1 else next(done) for number in range(len(Statements))
                ]
            }

        return self.injector.send("BatchExecuteStatement", str(len(Statements)), run, run)

    def transact_write_items(self, *, TransactItems: list[Json]) -> Json:  # noqa: N803 - boto3's name
        """Write some rows, all or none; "partly" means that other writers hold some of them."""

        def run(held: int = 0) -> Json:
            taken = [held >> number & 1 for number in range(len(TransactItems))]
            if any(taken):
                raise canceled([{"Code": "TransactionConflict" if one else "None"} for one in taken])
            return self.database.transact_write_items(TransactItems=TransactItems)

        return self.injector.send("TransactWriteItems", str(len(TransactItems)), run, run)

    def put_item(self, **request: Any) -> Json:
        """Put one row."""
        key = request["Item"]["pk"]["S"]
        return self.injector.send("PutItem", key, lambda: self.database.put_item(**request))

    def get_item(self, **request: Any) -> Json:
        """Read one row."""
        return self._read("GetItem", lambda: self.database.get_item(**request), request)

    def query(self, **request: Any) -> Json:
        """Read a page of a partition."""
        return self._read("Query", lambda: self.database.query(**request), request)

    def batch_get_item(self, *, RequestItems: Mapping[str, Json]) -> Json:  # noqa: N803
        """Read some rows."""
        parts = [*map(strongly_consistent, RequestItems.values())]
        if any(key["pk"]["S"] == CONTROL for part in parts for key in part["Keys"]):
            # without a place among the calls that faults count: histories of jobs let processes die at it
            return self.database.batch_get_item(RequestItems=RequestItems)
        return self.injector.send("BatchGetItem", "", lambda: self.database.batch_get_item(RequestItems=RequestItems))

    def _read(self, operation: str, call: Call, request: Json) -> Json:
        strongly_consistent(request)
        return self.injector.send(operation, "", call)


def strongly_consistent(request: Json) -> Json:
    """Return a read if it is strongly consistent: those in memory always are, so whoever forgets it must fail.

    Raises:
        Unsupported: it is not.
    """
    if not request.get("ConsistentRead"):
        raise Unsupported(f"a read without ConsistentRead: {sorted(request)}")
    return request


class Streams(Struct):
    """A DynamoDB Streams client; ``shards`` returns the current shards, ``records`` those that a shard still has.

    Every second page is empty, as pages may be.
    """

    injector: FaultInjector
    shards: Callable[[], list[Json]]
    records: Callable[[str], list[Json]]

    def get_shard_iterator(self, *, ShardId: str, ShardIteratorType: str, SequenceNumber: str, **_options: str) -> Json:  # noqa: N803
        """Open a shard at or after a record."""

        def run() -> Json:
            numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in self.records(ShardId)]
            if not numbers or int(SequenceNumber) < numbers[0]:
                raise client_error("GetShardIterator", "TrimmedDataAccessException")
            start = int(SequenceNumber) + (ShardIteratorType == "AFTER_SEQUENCE_NUMBER")
            return {"ShardIterator": f"{ShardId} {start} empty"}

        return self.injector.send("GetShardIterator", ShardId, run)

    def get_records(self, *, ShardIterator: str) -> Json:  # noqa: N803
        """Read a page."""

        def run() -> Json:
            shard, start, kind = ShardIterator.split()
            if kind == "empty":
                return {"Records": [], "NextShardIterator": f"{shard} {start} full"}
            left = [one for one in self.records(shard) if int(one["dynamodb"]["SequenceNumber"]) >= int(start)]
            found = [_as_read(record) for record in left[:_PAGE]]
            following = int(found[-1]["dynamodb"]["SequenceNumber"]) + 1 if found else int(start)
            return {"Records": found, "NextShardIterator": f"{shard} {following} empty"}

        return self.injector.send("GetRecords", ShardIterator.split(maxsplit=1)[0], run)

    def describe_stream(self, *, StreamArn: str) -> Json:  # noqa: N803
        """Describe the stream."""
        return self.injector.send("DescribeStream", StreamArn, lambda: {"StreamDescription": {"Shards": self.shards()}})


def _as_read(record: Json) -> Json:
    """Return a record as GetRecords has it: with times of Python, and another spelling of who has deleted the item."""
    change = record["dynamodb"]
    created = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    read = record | {"dynamodb": change | {"ApproximateCreationDateTime": created}}
    if "userIdentity" in record:
        read["userIdentity"] = {name[0].upper() + name[1:]: value for name, value in record["userIdentity"].items()}
    return read


class Queues(Struct):
    """An SQS client that sends; keeps all messages by queue."""

    injector: FaultInjector
    messages: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Json]) -> Json:  # noqa: N803
        """Send up to ten messages."""

        def run(omitted: int = 0) -> Json:
            failed = [entry for number, entry in enumerate(Entries) if omitted >> number & 1]
            self.messages[QueueUrl] += [entry["MessageBody"] for entry in Entries if entry not in failed]
            return {"Failed": [{"Id": entry["Id"], "SenderFault": False} | _FAILED for entry in failed]}

        return self.injector.send("SendMessageBatch", QueueUrl, run, run)


class Bucket(Struct):
    """An S3 client that reads and writes objects."""

    injector: FaultInjector
    objects: dict[str, bytes] = field(default_factory=dict)

    def put_object(self, *, Key: str, Body: bytes, **_options: Any) -> Mapping[str, Any]:  # noqa: N803
        """Store an object."""

        def run() -> Json:
            self.objects[Key] = Body
            return {}

        if Key.startswith(EXPIRED):  # as the control rows: see Table.batch_get_item
            return run()
        return self.injector.send("PutObject", Key, run)

    def get_object(self, *, Key: str, **_options: Any) -> Mapping[str, Any]:  # noqa: N803
        """Read an object."""
        return self.injector.send("GetObject", Key, lambda: {"Body": io.BytesIO(self.objects[Key])})
