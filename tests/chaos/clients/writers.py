"""Clients that write through each entrance while calls fail, and keep a ledger of what they were told."""

import json
import time
from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.clients.api_writer import ApiWriter
from tests.chaos.clients.flights import COLLECTION, Item, flight
from tests.chaos.clients.ledger import State, becomes, merged
from tests.chaos.clients.writer import ATTEMPTS, PAUSE_S, Writer

_SERIALIZE = TypeSerializer().serialize


class TableWriter(Writer):
    """Writes with a plain SDK, as any owner of the table may."""

    def run(self) -> None:
        """Insert items in batches, which grow; and put, update and delete others."""
        dynamodb, table = self.chaos.faulty_client("dynamodb"), self.chaos.outputs["ItemsTable"]
        for batch in range(4):
            items = {
                self.names.item_id("table", 10 * batch + place): flight(self.names, self.rng, growing=True)
                for place in range(10)
            }
            self._insert(dynamodb, table, items)
            time.sleep(self.rng.uniform(0, 0.3))
        for _ in range(14):
            self._change(dynamodb, table, self.names.item_id("row", self.rng.randrange(5)))

    def _insert(self, dynamodb: Any, table: str, items: Mapping[str, Item]) -> None:
        waiting = {item: {"PutRequest": {"Item": _row(item, value)}} for item, value in items.items()}
        self.ledger.growing.update(items)
        maybe: set[str] = set()
        for _ in range(ATTEMPTS):
            try:
                answer = dynamodb.batch_write_item(RequestItems={table: list(waiting.values())})
            except (ClientError, BotoCoreError):
                maybe |= waiting.keys()
            else:
                left = [_id(entry["PutRequest"]["Item"]) for entry in answer.get("UnprocessedItems", {}).get(table, [])]
                stored = waiting.keys() - set(left)
                for item in stored:
                    self.ledger.note([item], becomes(items[item]), known=True)
                self.ledger.note_grown(len(stored))
                waiting = {item: waiting[item] for item in left}
            if not waiting:
                return
            time.sleep(PAUSE_S)
        for item in waiting.keys() & maybe:
            self.ledger.note([item], becomes(items[item]), known=False)

    def _change(self, dynamodb: Any, table: str, item: str) -> None:
        key = {"pk": {"S": f"{COLLECTION}#{item}"}}
        after: State = None if self.rng.random() < 0.2 else flight(self.names, self.rng, growing=False)
        try:
            if after is None:
                dynamodb.delete_item(TableName=table, Key=key)
            else:
                dynamodb.put_item(TableName=table, Item=_row(item, after))
        except (ClientError, BotoCoreError):
            self.ledger.note([item], becomes(after), known=False)
            time.sleep(PAUSE_S)
        else:
            self.ledger.note([item], becomes(after), known=True)


class QueueWriter(Writer):
    """Sends messages to the intake queue, in batches, as its clients do."""

    def run(self) -> None:
        """Put, patch and delete items; the messages of an item are sent one after the other."""
        sqs, queue = self.chaos.faulty_client("sqs"), self.chaos.outputs["IntakeQueue"]
        for number in range(5):
            chosen = self.rng.sample(range(6), 4)
            operations = {self.names.item_id("queue", place): self._operation(place, number) for place in chosen}
            self._send(sqs, queue, number, operations)

    def _operation(self, place: int, number: int) -> tuple[dict[str, Any], Any]:
        item = self.names.item_id("queue", place)
        states = self.ledger.may_be(item)
        # a batch that is delivered again would patch what it has deleted, which goes to quarantine
        if number and place < 3 and None not in states and self.rng.random() < 0.5:
            patch = {"distance": self.rng.randint(0, 3000)}
            return {"op": "patch", "patch": patch}, merged(patch)
        if number and place >= 3 and self.rng.random() < 0.4:
            return {"op": "delete"}, becomes(None)
        value = flight(self.names, self.rng, growing=False)
        return {"op": "put", "item": value}, becomes(value)

    def _send(self, sqs: Any, queue: str, number: int, operations: Mapping[str, tuple[dict[str, Any], Any]]) -> None:
        waiting = {
            item: {
                "Id": item,
                "MessageBody": json.dumps({"collection": COLLECTION, "id": item, **message}),
                "MessageGroupId": f"{COLLECTION}#{item}",
                "MessageDeduplicationId": f"{item}-{number}",
            }
            for item, (message, _) in operations.items()
        }
        for _ in range(ATTEMPTS):
            try:
                answer = sqs.send_message_batch(QueueUrl=queue, Entries=list(waiting.values()))
            except (ClientError, BotoCoreError):
                time.sleep(PAUSE_S)
                continue
            for entry in answer.get("Successful", []):
                self.ledger.note([entry["Id"]], operations[entry["Id"]][1], known=True)
                del waiting[entry["Id"]]
            if not waiting:
                return
        for item in waiting:
            self.ledger.note([item], operations[item][1], known=False)


class FileWriter(Writer):
    """Uploads files of new items to the inbox."""

    def run(self) -> None:
        """Upload two files, one of them with more lines than are written at a time."""
        s3 = self.chaos.faulty_client("s3")
        bucket = self.chaos.outputs["ArchiveBucket"]
        for number, lines in enumerate((30, self.rng.choice([12, 60]))):
            items = {
                self.names.item_id(f"file{number}", place): flight(self.names, self.rng, growing=True)
                for place in range(lines)
            }
            key = f"{COLLECTION}/round-{self.names.number}-{number}.jsonl"
            body = "\n".join(json.dumps({"id": item, **value}) for item, value in items.items()).encode()
            known = self._upload(s3, bucket, f"inbox/{key}", body)
            self.ledger.growing.update(items)
            for item, value in items.items():
                self.ledger.note([item], becomes(value), known=known)
            if known:
                self.ledger.files[key] = lines

    def _upload(self, s3: Any, bucket: str, key: str, body: bytes) -> bool:
        for _ in range(ATTEMPTS):
            try:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
            except (ClientError, BotoCoreError):
                time.sleep(PAUSE_S)
            else:
                return True
        return False


WRITERS = (TableWriter, QueueWriter, FileWriter, ApiWriter)


def _row(item: str, value: Item) -> dict[str, Any]:
    return {"pk": {"S": f"{COLLECTION}#{item}"}} | {name: _SERIALIZE(field) for name, field in value.items()}


def _id(row: Mapping[str, Any]) -> str:
    found: str = row["pk"]["S"].partition("#")[2]
    return found
