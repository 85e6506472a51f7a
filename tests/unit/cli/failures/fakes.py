"""Queues, buckets and functions in memory, behind calls at which the operator's process can be killed."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

DEDUPLICATION_S = 300


class Killed(BaseException):
    """The process is gone: no call of it has an effect any more."""


@dataclass
class Life:
    """How long a process lives: it dies at a call, before its effect or after it."""

    dies_at: int | None = None
    after_effect: bool = False
    calls: int = 0
    is_dead: bool = False
    cut_off: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, name: str, effect: Callable[..., Any], request: dict[str, Any]) -> Any:
        if self.is_dead:
            raise Killed
        self.calls += 1
        if self.calls != self.dies_at:
            return effect(**request)
        self.is_dead = True
        if self.after_effect:
            effect(**request)
            self.cut_off.append((name, request))
        raise Killed


@dataclass
class Client:
    """A client in a process."""

    service: Any
    life: Life

    def __getattr__(self, name: str) -> Any:
        if name == "get_paginator":
            return lambda operation: Paginator(self, operation)
        effect = getattr(self.service, name)
        return lambda **request: self.life.call(name, effect, request)


@dataclass
class Paginator:
    client: Any
    operation: str

    def paginate(self, **request: Any) -> list[Any]:
        return [getattr(self.client, self.operation)(**request)]


@dataclass
class StoredMessage:
    id: str
    body: str
    group: str | None
    attributes: Mapping[str, Any]
    sent_at: float = 0.0
    visible_at: float = 0.0
    receives: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.id}/{self.receives}"


@dataclass
class Queue:
    is_fifo: bool = False
    messages: list[StoredMessage] = field(default_factory=list)
    deduplicated: dict[tuple[str | None, str], float] = field(default_factory=dict)


@dataclass
class Sqs:
    """SQS: visibility timeouts, and for FIFO queues groups and deduplication."""

    now: float = 1_000_000.0
    queues: dict[str, Queue] = field(default_factory=dict)
    ids: Any = field(default_factory=lambda: count(1))
    refuses_sends: int = 0

    def create(self, url: str, *, is_fifo: bool = False) -> Queue:
        return self.queues.setdefault(url, Queue(is_fifo))

    def bodies(self, url: str) -> list[str]:
        return [message.body for message in self.queues[url].messages]

    def send_message(self, *, QueueUrl: str, MessageBody: str, **options: Any) -> dict[str, Any]:  # noqa: N803
        queue = self.queues[QueueUrl]
        group, name = options.get("MessageGroupId"), options.get("MessageDeduplicationId")
        assert queue.is_fifo is (group is not None) is (name is not None)
        if name is not None:
            if queue.deduplicated.get((group, name), 0.0) > self.now:
                return {}
            queue.deduplicated[group, name] = self.now + DEDUPLICATION_S
        attributes = options.get("MessageAttributes", {})
        queue.messages.append(StoredMessage(f"m{next(self.ids)}", MessageBody, group, attributes, self.now))
        return {}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        assert 0 < len(Entries) <= 10
        assert sum(len(entry["MessageBody"].encode()) for entry in Entries) <= 1_048_576
        failed = []
        for entry in Entries:
            if self.refuses_sends:
                self.refuses_sends -= 1
                failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
            else:
                self.send_message(QueueUrl=QueueUrl, **{name: value for name, value in entry.items() if name != "Id"})
        return {"Failed": failed} if failed else {}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **options: Any) -> dict[str, Any]:  # noqa: N803
        queue = self.queues[QueueUrl]
        blocked = {one.group for one in queue.messages if one.group is not None and one.visible_at > self.now}
        found = [one for one in queue.messages if one.visible_at <= self.now and one.group not in blocked]
        for message in found[:MaxNumberOfMessages]:
            message.visible_at = self.now + options["VisibilityTimeout"]
            message.receives += 1
        return {"Messages": [_received(message) for message in found[:MaxNumberOfMessages]]} if found else {}

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        receipts = {entry["ReceiptHandle"]: entry["Id"] for entry in Entries}
        queue = self.queues[QueueUrl]
        gone = {one.receipt for one in queue.messages} & receipts.keys()
        queue.messages = [one for one in queue.messages if one.receipt not in gone]
        return {"Failed": [{"Id": name} for receipt, name in receipts.items() if receipt not in gone]}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        hidden = {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        for message in self.queues[QueueUrl].messages:
            if message.receipt in hidden:
                message.visible_at = self.now + hidden[message.receipt]
        return {}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        messages = self.queues[QueueUrl].messages
        hidden = sum(one.visible_at > self.now for one in messages)
        counts = {
            "ApproximateNumberOfMessages": len(messages) - hidden,
            "ApproximateNumberOfMessagesNotVisible": hidden,
        }
        return {"Attributes": {name: str(counts[name]) for name in AttributeNames}}


def _received(message: StoredMessage) -> dict[str, Any]:
    system = {} if message.group is None else {"MessageGroupId": message.group}
    system["SentTimestamp"] = f"{message.sent_at * 1000:.0f}"
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": system,
        "MessageAttributes": message.attributes,
    }


@dataclass
class Buckets:
    """S3: objects by bucket and key."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_options: Any) -> dict[str, Any]:  # noqa: N803
        self.objects[Bucket, Key] = Body
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        return {}

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self.objects.pop((Bucket, Key), None)
        return {}

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803
        keys = sorted(key for bucket, key in self.objects if bucket == Bucket and key.startswith(Prefix))
        return {"Contents": [{"Key": key} for key in keys]} if keys else {}

    def keys(self, prefix: str = "") -> list[str]:
        return [key for _, key in sorted(self.objects) if key.startswith(prefix)]


@dataclass
class Lambda:
    """Functions by name. A function that raises returns an error, as Lambda does."""

    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        try:
            result = self.functions[FunctionName](json.loads(Payload))
        except Exception as error:  # noqa: BLE001 - as Lambda
            text = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(text.encode())}
        return {"Payload": io.BytesIO(json.dumps(result).encode())}
