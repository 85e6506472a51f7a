"""An inbox in memory: a bucket with conditional writes, a table, and invocations that end, die and come twice."""

import io
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from local.in_memory.errors import client_error
from tailrace.aws.stages.load import Loader
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Transient
from tests.pipelines import orders

type Json = dict[str, Any]

NOW = datetime(2024, 1, 1, tzinfo=UTC)
ENOUGH_MS, FLUSH_MS = 900_000, 1_000
OUT_OF_TIME_MS = 59_000
"""Enough to write what was read, and no more."""
MAX_INVOCATIONS = 5_000
RETRY = timedelta(minutes=1)


class Killed(BaseException):
    """kill -9: nothing that the function does after it happens."""


@dataclass(slots=True)
class Inbox:
    """What a loader sees of AWS.

    ``on_call`` is called before and after each call, with its name and its key, ``on_pause`` when a loader waits.
    """

    objects: dict[tuple[str, str], tuple[bytes, str, Json]] = field(default_factory=dict)
    items: dict[str, Any] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    events: deque[Json] = field(default_factory=deque)
    receipts: list[Json] = field(default_factory=list)
    invocations: int = 0
    flushes: int = 0
    on_call: Callable[[str, str, bool], None] = lambda _name, _key, _done: None
    uploads: int = 0
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], None] = lambda: None
    now: datetime = NOW
    modified: dict[tuple[str, str], datetime] = field(default_factory=dict)

    # --- the bucket ---

    def head_object(self, *, Bucket: str, Key: str) -> Json:  # noqa: N803 - boto3's names, here and below
        """Describe an object."""
        self.flushes += Key.startswith("inbox/")
        body, etag, headers = self._object("HeadObject", Bucket, Key)
        return {"ETag": etag, "ContentLength": len(body), **headers}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> Json:  # noqa: N803
        """Read an object, or a range of it."""
        self.on_call("get", Key, False)
        body, etag, _ = self._object("GetObject", Bucket, Key)
        if IfMatch not in ("", etag):
            raise client_error("GetObject", "PreconditionFailed", status=412)
        if Range:
            first, last = map(int, Range.removeprefix("bytes=").split("-"))
            body = body[first : last + 1]
        return {"ETag": etag, "Body": io.BytesIO(body), "LastModified": self.modified.get((Bucket, Key), NOW)}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str = "",  # noqa: N803
        IfMatch: str = "",  # noqa: N803
        IfNoneMatch: str = "",  # noqa: N803
        **headers: Any,
    ) -> Json:
        """Store an object, if it is as the condition says."""
        self.on_call("put", Key, False)
        known = self.objects.get((Bucket, Key))
        if IfMatch and known is None:
            raise client_error("PutObject", "NoSuchKey", status=404)
        if known is not None and (IfNoneMatch == "*" or IfMatch not in ("", known[1])):
            raise client_error("PutObject", "PreconditionFailed", status=412)
        etag = f'"{md5(Body, usedforsecurity=False).hexdigest()}"'
        self.objects[Bucket, Key] = Body, etag, headers
        self.modified[Bucket, Key] = self.now
        self.on_call("put", Key, True)
        return {"ETag": etag}

    def _object(self, operation: str, bucket: str, key: str) -> tuple[bytes, str, Json]:
        if (bucket, key) not in self.objects:
            raise client_error(operation, "NoSuchKey", status=404)
        return self.objects[bucket, key]

    # --- the table ---

    def batch_write_item(self, *, RequestItems: Mapping[str, Any]) -> Json:  # noqa: N803
        """Put items."""
        self.on_call("write", "", False)
        for request in RequestItems["items"]:
            row = decode_item(request["PutRequest"]["Item"])
            self.items[row.pop("pk")] = row
        self.on_call("write", "", True)
        return {"UnprocessedItems": {}}

    # --- Lambda ---

    def upload(self, name: str, body: bytes, **headers: str) -> Json:
        """Store a file; its notification is delivered and returned."""
        self.uploads += 1
        stored = self.put_object(Bucket="archive", Key=f"inbox/{name}", Body=body, **headers)
        described = {"key": f"inbox/{name}", "sequencer": f"{self.uploads:04X}", "eTag": stored["ETag"].strip('"')}
        place = {"bucket": {"name": "archive"}, "object": described}
        event = {"Records": [{"eventTime": "2024-01-01T00:00:00.000Z", "s3": place}]}
        self.events.append(event)
        return event

    def invoke(self, event: Json, flushes: float = float("inf")) -> list[Json]:
        """Run one invocation that has time for a number of flushes; its clock goes on by FLUSH_MS with each."""
        self.invocations += 1
        before = self.flushes + 1  # the file is described once before it is read
        loader: Any = Loader(
            orders.pipeline,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            "items",
            "failures",
            lambda: self.now,
            hand_on=self._hand_on,
            make_name=lambda: f"invocation {self.invocations}",
            sleep=self._pause,
        )

        def remaining_time_ms() -> int:
            used = self.flushes - before
            return OUT_OF_TIME_MS if used >= flushes else ENOUGH_MS - FLUSH_MS * used

        found: list[Json] = loader(event, remaining_time_ms)
        self.receipts += found
        return found

    def run(self, flushes: Callable[[], float] = lambda: float("inf")) -> None:
        """Deliver events until there are none; one whose invocation fails or dies is delivered again later."""
        while self.events:
            assert self.invocations < MAX_INVOCATIONS
            event = self.events.popleft()
            try:
                self.invoke(event, flushes())
            except (Transient, Killed):
                self.events.append(event)
                self.now += RETRY

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.on_pause()

    def _hand_on(self, event: Json) -> None:
        self.on_call("invoke", "", False)
        self.events.append(event)
        self.on_call("invoke", "", True)

    # --- what is there ---

    def receipt(self, name: str) -> Json:
        """Return a file's receipt, without times."""
        found: Json = loads(self.objects["archive", f"receipts/{name}.json"][0])
        return {name: value for name, value in found.items() if not name.endswith("_at")}

    def stored(self, bucket: str, prefix: str) -> dict[str, bytes]:
        """Return the objects under a prefix."""
        return {
            key: body for (place, key), (body, *_) in self.objects.items() if place == bucket and key.startswith(prefix)
        }


@dataclass(slots=True)
class Dying:
    """Kills invocations at random calls, before or after their effect."""

    chance: random.Random
    share: float
    deaths: int = 0

    def __call__(self, name: str, key: str, done: bool) -> None:
        """Perhaps die."""
        if not key.startswith("inbox/") and self.chance.random() < self.share:
            self.deaths += 1
            raise Killed(f"{'after' if done else 'before'} {name} {key}")
