"""Clients that write through each entrance while calls fail, and keep a ledger of what they were told."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import urllib3
from boto3.dynamodb.types import TypeSerializer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from local.deployment.emulator import REGION
from tests.chaos.clients.flights import COLLECTION, Item, Names, flight
from tests.chaos.clients.ledger import Ledger, State, becomes, merged
from tests.chaos.proxy.faults import seeded
from tests.chaos.stack import ChaosStack

API_TIMEOUT_S = 35.0
"""Longer than the API's function may run, so that a request without an answer has ended."""
PAUSE_S = 0.3
"""After an unknown outcome: a request that is still under way ends before the next write to the same item."""

_SERIALIZE = TypeSerializer().serialize
_SERVER_ERROR, _TOO_MANY, _CONFLICT = 500, 429, 409
_ATTEMPTS = 8


def signed(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a signed request."""
    request = AWSRequest(method, url, dict(headers), body)
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
    return dict(request.headers.items())


class Writer(ABC):
    """What the writers of a round share."""

    def __init__(self, chaos: ChaosStack, names: Names, ledger: Ledger, seed: int) -> None:
        self.chaos = chaos
        self.names = names
        self.ledger = ledger
        self.rng = seeded(f"{type(self).__name__} {seed}")

    @abstractmethod
    def run(self) -> None:
        """Write everything."""


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
        for _ in range(_ATTEMPTS):
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
        for _ in range(_ATTEMPTS):
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
        for _ in range(_ATTEMPTS):
            try:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
            except (ClientError, BotoCoreError):
                time.sleep(PAUSE_S)
            else:
                return True
        return False


class ApiWriter(Writer):
    """Writes over HTTP: whole items, patches, deletions and batches, with and without conditions."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.http = urllib3.PoolManager(maxsize=4, retries=False, timeout=API_TIMEOUT_S)

    def run(self) -> None:
        """Write items that nobody else writes."""
        chosen = ["put", "put", "put", "patch", "patch", "delete", "batch", "create", "create", "replace", "replace"]
        for number, operation in enumerate(["put", *self.rng.sample(chosen, len(chosen))]):
            item = self.names.item_id("api", self.rng.randrange(4))
            match operation:
                case "put":
                    self._put(item, number)
                case "patch":
                    self._patch(item)
                case "delete":
                    self._changed("DELETE", item, None, becomes(None))
                case "batch":
                    self._batch(number)
                case "create":
                    self._create(self.names.item_id("made", number))
                case "replace":
                    self._replace(item)

    def _put(self, item: str, number: int) -> None:
        value = flight(self.names, self.rng, growing=False)
        key = {"Idempotency-Key": f"{item}-{number}"} if self.rng.random() < 0.5 else {}
        self._changed("PUT", item, value, becomes(value), key)

    def _patch(self, item: str) -> None:
        states = self.ledger.may_be(item)
        patch = {"distance": self.rng.randint(0, 3000)}
        status = self._changed("PATCH", item, patch, merged(patch))
        if status == 404 and None not in states:
            self.ledger.fault(f"{item}: 404 to a patch, but it exists")

    def _create(self, item: str) -> None:
        """Create a new item on condition that it does not exist: nobody else creates it."""
        value = flight(self.names, self.rng, growing=False)
        status = self._changed("PUT", item, value, becomes(value), {"If-None-Match": "*"})
        if status == 412:
            self.ledger.fault(f"{item}: 412 to its only creation")

    def _replace(self, item: str) -> None:
        """Replace an item on condition that it is as it was read: nobody else writes it."""
        found = self._until_answered("GET", item)
        if found is None or found.status != 200:
            return
        value = flight(self.names, self.rng, growing=False)
        status = self._changed("PUT", item, value, becomes(value), {"If-Match": found.headers["ETag"]})
        if status == 412:
            self.ledger.fault(f"{item}: 412 to the replacement of what was read, and nobody else writes it")

    def _batch(self, number: int) -> None:
        items = {
            self.names.item_id(f"many{number}", place): flight(self.names, self.rng, growing=False)
            for place in range(5)
        }
        body = {"items": [{"id": item, "item": value} for item, value in items.items()]}
        answer = self._request("POST", f"collections/{COLLECTION}/items", body)
        if answer is None or answer.status != 207:
            statuses = dict.fromkeys(items, 503)
        else:
            statuses = {result["id"]: result["status"] for result in answer.json()["results"]}
        for item, value in items.items():
            self._note(item, statuses[item], becomes(value))

    def _changed(
        self, method: str, item: str, body: Any, change: Any, headers: Mapping[str, str] | None = None
    ) -> int | None:
        answer = self._request(method, self._path(item), body, headers)
        return self._note(item, None if answer is None else answer.status, change)

    def _note(self, item: str, status: int | None, change: Any) -> int | None:
        if status is not None and status < 300:
            self.ledger.note([item], change, known=True)
        elif status is None or status >= _SERVER_ERROR or status == _CONFLICT:
            self.ledger.note([item], change, known=False)
            time.sleep(PAUSE_S)
        else:
            self.ledger.refused += 1
        return status

    def _until_answered(self, method: str, item: str) -> urllib3.BaseHTTPResponse | None:
        for _ in range(_ATTEMPTS):
            answer = self._request(method, self._path(item), None)
            if answer is not None and answer.status < _SERVER_ERROR and answer.status != _TOO_MANY:
                return answer
        return None

    def _path(self, item: str) -> str:
        return f"collections/{COLLECTION}/items/{quote(item, safe='')}"

    def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse | None:
        """Return an answer, None without one."""
        url = f"{self.chaos.api('client')}/{path}"
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        given = {"Content-Type": kind, **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        try:
            return self.http.request(method, url, body=content, headers=signed(method, url, content, given))
        except urllib3.exceptions.HTTPError:
            return None


WRITERS = (TableWriter, QueueWriter, FileWriter, ApiWriter)


def _row(item: str, value: Item) -> dict[str, Any]:
    return {"pk": {"S": f"{COLLECTION}#{item}"}} | {name: _SERIALIZE(field) for name, field in value.items()}


def _id(row: Mapping[str, Any]) -> str:
    found: str = row["pk"]["S"].partition("#")[2]
    return found
