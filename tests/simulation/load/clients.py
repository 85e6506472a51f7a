"""An invocation's view of AWS: its calls take time, fail, arrive though nobody waits for them, and it may die at each.

A call arrives within CALL_MS, or never: so long does the SDK wait for a response.
"""

import io
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from msgspec import Struct, field

from local.in_memory.database import Database
from local.in_memory.errors import client_error
from tailrace.encoding.dynamodb import decode_item
from tests.simulation.load.actors import Stage
from tests.simulation.load.files import REFUSED
from tests.unit.aws.stages.load.inbox import NOW, Inbox

type Json = dict[str, Any]

CALL_MS = 30_000


class Died(BaseException):
    """The process is gone: killed, or out of time."""


class Trouble(Struct):
    """How likely things go wrong, for each call or line."""

    latency_ms: float = 0
    fails: float = 0
    dies: float = 0
    stalls: float = 0

    def end(self) -> None:
        """Let nothing go wrong any more."""
        self.fails = self.dies = self.stalls = 0


class Cloud(Struct):
    """What all invocations share. ``on_write`` is called with each row that is written, ``on_put`` with each object."""

    chance: Random
    stage: Stage
    trouble: Trouble
    database: Database
    bucket: Inbox = field(default_factory=Inbox)
    modified: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def time(self) -> datetime:
        """Return the time."""
        return NOW + timedelta(milliseconds=self.stage.now)


class Invocation(Struct):
    """The clients of one invocation, until its deadline."""

    cloud: Cloud
    deadline: float
    on_write: Callable[[str, int], None]
    on_put: Callable[[str, str, bytes], None]

    def remaining_time_ms(self) -> int:
        """Return the time that is left; the process may stall before it reads its clock."""
        self._perhaps_stall()
        return int(self.deadline - self.cloud.stage.now)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._pause(seconds * 1000)

    # --- boto3's names ---

    def head_object(self, **request: Any) -> Json:
        """Describe an object."""
        self._perhaps_stall()
        return self.call("HeadObject", lambda: self.cloud.bucket.head_object(**request))

    def get_object(self, **request: Any) -> Json:
        """Read an object."""
        self._perhaps_stall()

        def get() -> Json:
            found = self.cloud.bucket.get_object(**request)
            modified = self.cloud.modified.get((request["Bucket"], request["Key"]), self.cloud.time())
            return found | {"LastModified": modified.replace(microsecond=0)}

        found = self.call("GetObject", get)
        self._perhaps_stall()
        return found | {"Body": io.BytesIO(found["Body"].read())}

    def put_object(self, **request: Any) -> Json:
        """Store an object."""
        self._perhaps_stall()

        def put() -> Json:
            answer = self.cloud.bucket.put_object(**request)
            self.cloud.modified[request["Bucket"], request["Key"]] = self.cloud.time()
            self.on_put(request["Bucket"], request["Key"], request["Body"])
            return answer

        answer = self.call("PutObject", put)
        self._perhaps_stall()
        return answer

    def batch_write_item(self, *, RequestItems: Mapping[str, Any]) -> Json:  # noqa: N803
        """Put items."""
        requests = RequestItems["items"]

        def write(left_out: int = 0) -> Json:
            rows = [request["PutRequest"]["Item"] for request in requests]
            if any(row["shop"]["S"] == REFUSED for row in rows):
                raise client_error("BatchWriteItem", "ValidationException", "the item is not wanted")
            for row in rows[left_out:]:
                self.cloud.database.put_item(TableName="items", Item=row)
                self.on_write(row["pk"]["S"], int(decode_item(row)["lines"]))
            return {"UnprocessedItems": {"items": requests[:left_out]} if left_out else {}}

        left_out = self.cloud.chance.randint(1, len(requests)) if self._happens(self.cloud.trouble.fails) else 0
        return self.call("BatchWriteItem", lambda: write(left_out))

    # --- what goes wrong ---

    def call(self, operation: str, effect: Callable[[], Json]) -> Json:
        """Make a call, which may fail before or after its effect; the SDK may have repeated it."""
        cloud, trouble = self.cloud, self.cloud.trouble
        way, back = (self._travel() for _ in range(2))
        if cloud.stage.now + way >= self.deadline or self._happens(trouble.dies):
            if cloud.chance.random() < 0.5:  # it was sent before
                cloud.stage.later(min(way, CALL_MS), lambda: _unheard(effect))
            cloud.stage.pause(max(0, min(way, self.deadline - cloud.stage.now)))
            raise Died
        self._pause(way)
        fate = cloud.chance.choice(("throttled", "lost", "silent", "again")) if self._happens(trouble.fails) else ""
        if fate == "throttled":
            raise client_error(operation, "ThrottlingException")
        if fate:
            _unheard(effect)
            self._pause(back)
        if fate == "lost":
            raise client_error(operation, "InternalServerError", status=500)
        if fate == "silent":
            raise ReadTimeoutError(endpoint_url="https://localhost")
        answer = effect()
        if self._happens(trouble.dies):
            raise Died
        self._pause(back)
        return answer

    def _travel(self) -> float:
        longest = CALL_MS / 3 if self._happens(self.cloud.trouble.stalls) else self.cloud.trouble.latency_ms
        return self.cloud.chance.uniform(0, longest)

    def _perhaps_stall(self) -> None:
        if self._happens(self.cloud.trouble.stalls):
            self._pause(self.cloud.chance.choice((500, 7_000, 20_000, 60_000, 150_000)))

    def _happens(self, share: float) -> bool:
        return self.cloud.chance.random() < share

    def _pause(self, milliseconds: float) -> None:
        left = self.deadline - self.cloud.stage.now
        self.cloud.stage.pause(max(0, min(milliseconds, left)))
        if milliseconds >= left:
            raise Died


def _unheard(effect: Callable[[], Json]) -> None:
    """Let a call have its effect, if it has one; nobody hears of it."""
    try:
        effect()
    except (ClientError, BotoCoreError):
        return
