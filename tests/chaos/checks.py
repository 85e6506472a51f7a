"""What must be true after a round: see `violations`."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.chaos.clients.flights import COLLECTION, Item, Names, is_disrupted, prepared, recount, without_own
from tests.chaos.clients.ledger import Ledger
from tests.chaos.stack import ChaosStack

_DESERIALIZE = TypeDeserializer().deserialize
_DEAD_LETTERS = ("IntakeDeadLetterQueue", "ArchiveDeadLetterQueue", "DisruptionsDeadLetterQueue", "AsyncFailuresQueue")


class Changes:
    """All changes of the items table, read from its stream, past the proxy and the functions."""

    def __init__(self, chaos: ChaosStack) -> None:
        self._streams = chaos.client("dynamodbstreams")
        self._arn = chaos.outputs["ItemsTableStream"]
        self._iterators: dict[str, str] = {}
        self.newest = 0.0

    def more(self) -> dict[str, tuple[Item | None, Item | None]]:
        """Return the changes since the last call: old and new item by event id."""
        described = self._streams.describe_stream(StreamArn=self._arn)["StreamDescription"]
        found: dict[str, tuple[Item | None, Item | None]] = {}
        for shard in described["Shards"]:
            name = shard["ShardId"]
            if name not in self._iterators:
                start = {"StreamArn": self._arn, "ShardId": name, "ShardIteratorType": "TRIM_HORIZON"}
                self._iterators[name] = self._streams.get_shard_iterator(**start)["ShardIterator"]
            while True:
                page = self._streams.get_records(ShardIterator=self._iterators[name], Limit=1000)
                self._iterators[name] = page["NextShardIterator"]
                for record in page["Records"]:
                    change = record["dynamodb"]
                    self.newest = max(self.newest, change["ApproximateCreationDateTime"].timestamp())
                    found[record["eventID"]] = (_item(change.get("OldImage")), _item(change.get("NewImage")))
                if not page["Records"]:
                    break
        return found


class Check:
    """The checks of one stack, whose rounds follow each other."""

    def __init__(self, chaos: ChaosStack) -> None:
        self._chaos = chaos
        self._changes = Changes(chaos)
        self._told: set[str] = set()

    @property
    def newest_change(self) -> float:
        """The time of the newest change, in seconds since 1970."""
        return self._changes.newest

    def violations(self, names: Names, ledger: Ledger) -> list[str]:
        """Compare everything that a round left behind with what its clients were told."""
        items = self._items(ledger)
        changes = self._changes.more()
        return [
            *ledger.wrong,
            *wrong_items(ledger, items),
            *self._wrong_rows(names, [item for item in items.values() if item is not None]),
            *self._wrong_archive(changes),
            *self._wrong_route(changes),
            *self._wrong_receipts(ledger),
            *self._new_failures(),
        ]

    def _new_failures(self) -> list[str]:
        """Return failures that no earlier round has left."""
        found = [text for text in self._failures() if text not in self._told]
        self._told.update(found)
        return found

    def _items(self, ledger: Ledger) -> dict[str, Item | None]:
        dynamodb, table = self._chaos.client("dynamodb"), self._chaos.outputs["ItemsTable"]
        found: dict[str, Item | None] = dict.fromkeys(ledger.states)
        names = list(ledger.states)
        for start in range(0, len(names), 100):
            keys = [{"pk": {"S": f"{COLLECTION}#{name}"}} for name in names[start : start + 100]]
            asked = {table: {"Keys": keys, "ConsistentRead": True}}
            while asked:
                answer = dynamodb.batch_get_item(RequestItems=asked)
                for row in answer["Responses"][table]:
                    found[row["pk"]["S"].partition("#")[2]] = _item(row)
                asked = answer.get("UnprocessedKeys")
        return found

    def _wrong_rows(self, names: Names, items: list[Item]) -> Iterator[str]:
        expected = recount(items)
        found = {(row["pk"], row["sk"]): row for partition in names.partitions for row in self._rows(partition)}
        for key in sorted(expected.keys() | found.keys()):
            row = found.get(key)
            shown = None if row is None else without_own(row)
            if key in expected and shown != expected[key]:
                yield f"row {' '.join(key)}: expected {expected[key]}, found {shown}"
            elif key not in expected and row is not None and not _is_empty(row):
                yield f"row {' '.join(key)}: expected none, found {shown}"

    def _rows(self, partition: str) -> Iterator[dict[str, Any]]:
        pages = self._chaos.client("dynamodb").get_paginator("query")
        for page in pages.paginate(
            TableName=self._chaos.outputs["AggregatesTable"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
            ConsistentRead=True,
        ):
            for row in page["Items"]:
                yield {name: _plain(value) for name, value in row.items()}

    def _wrong_archive(self, changes: dict[str, tuple[Item | None, Item | None]]) -> Iterator[str]:
        s3, bucket = self._chaos.client("s3"), self._chaos.outputs["ArchiveBucket"]
        archived = {}
        for key in sorted(archive_objects(self._chaos) - self._chaos.seen):
            self._chaos.seen.add(key)
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            for line in gzip.decompress(body).splitlines():
                event = json.loads(line)
                archived[event["id"]] = (event["data"]["old"], event["data"]["new"])
        for event_id, (old, new) in changes.items():
            expected = (prepared(old), prepared(new))
            if event_id not in archived:
                yield f"archive: the change {event_id} is missing: {expected}"
            elif archived[event_id] != expected:
                yield f"archive: the change {event_id} is {archived[event_id]}, expected {expected}"

    def _wrong_route(self, changes: dict[str, tuple[Item | None, Item | None]]) -> Iterator[str]:
        found = set(self._routed())
        expected = {event_id for event_id, images in changes.items() if any(is_disrupted(image) for image in images)}
        for event_id in sorted(expected - found):
            yield f"route: the event {event_id} is missing"
        for event_id in sorted((found & changes.keys()) - expected):
            yield f"route: the event {event_id} does not belong there"

    def _routed(self) -> Iterator[str]:
        sqs, url = self._chaos.client("sqs"), self._chaos.outputs["DisruptionsQueue"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                yield json.loads(message["Body"])["id"]
            entries = [
                {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(messages)
            ]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    def _wrong_receipts(self, ledger: Ledger) -> Iterator[str]:
        for name, lines in ledger.files.items():
            receipt = receipt_of(self._chaos, name)
            told = None if receipt is None else (receipt["accepted"], receipt["rejected"], receipt.get("failure"))
            if told != (lines, 0, None):
                yield f"receipt of {name}: {told}, expected {lines} lines"

    def _failures(self) -> Iterator[str]:
        """Nothing that was sent is invalid, and no fault lasts: no place for failures may hold anything."""
        sqs, s3 = self._chaos.client("sqs"), self._chaos.client("s3")
        for name in _DEAD_LETTERS:
            url = self._chaos.outputs[name]
            attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"]
            if any(int(count) for count in counts.values()):
                yield f"{name} has {counts}"
        for prefix in ("quarantine/", "aws/lambda/"):
            found = s3.list_objects_v2(Bucket=self._chaos.outputs["FailuresBucket"], Prefix=prefix).get("Contents", [])
            yield from (f"the failures bucket has {entry['Key']}" for entry in found)
        if self._chaos.discarded_records:
            yield f"{self._chaos.discarded_records} records of the stream were given up"


def wrong_items(ledger: Ledger, items: dict[str, Item | None]) -> Iterator[str]:
    """Compare items with what clients were told."""
    for name, found in items.items():
        states = ledger.may_be(name)
        if found not in states:
            yield f"item {name}: found {found}, which is none of {states}"


def archive_objects(chaos: ChaosStack) -> set[str]:
    """Return the keys of the archive's objects."""
    pages = chaos.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=chaos.outputs["ArchiveBucket"], Prefix="archive/")
    return {entry["Key"] for page in found for entry in page.get("Contents", [])}


def catalogued(chaos: ChaosStack) -> set[str]:
    """Return the objects in the catalog."""
    pages = chaos.client("dynamodb").get_paginator("scan")
    return {
        row["object"]["S"] for page in pages.paginate(TableName=chaos.outputs["CatalogTable"]) for row in page["Items"]
    }


def receipt_of(chaos: ChaosStack, name: str) -> dict[str, Any] | None:
    """Return the receipt of a file."""
    s3 = chaos.client("s3")
    bucket, key = chaos.outputs["ArchiveBucket"], f"receipts/{name}.json"
    if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
        return None
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return found


def _item(row: dict[str, Any] | None) -> Item | None:
    if row is None:
        return None
    return {name: _plain(value) for name, value in row.items() if name != "pk"}


def _plain(value: Any) -> Any:
    plain = _DESERIALIZE(value)
    return int(plain) if not isinstance(plain, str | bool) and hasattr(plain, "to_integral_value") else plain


def _is_empty(row: dict[str, Any]) -> bool:
    return not any(value for name, value in without_own(row).items() if isinstance(value, int)) and "expires_at" in row
