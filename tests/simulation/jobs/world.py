"""A stream, the aggregate stage and jobs: the real code of both on tables and buckets in memory, under one clock.

At each call of a job or an invocation, others may act, and the process may die. What happens follows from the seed.
"""

import itertools
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from local.in_memory import Database
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.backfill.feeder import assemble_feeder
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.jobs.deployment import Deployment
from tailrace.aws.jobs.job import JobTable
from tailrace.aws.jobs.shards import StreamShards
from tailrace.aws.jobs.timing import Timing
from tailrace.aws.jobs.workshop import Workshop
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.errors import Transient
from tests.simulation.history import definition as model
from tests.simulation.jobs import kept
from tests.simulation.jobs.attached import ReadOnly, StreamOfAttached
from tests.simulation.jobs.carrying import WINDOW_S, Windows
from tests.simulation.jobs.clients import Buckets, DynamoDB, Functions, Hooked
from tests.simulation.jobs.definition import CODES
from tests.simulation.jobs.kept import some_trip
from tests.simulation.world.serial_executor import SerialExecutor

if TYPE_CHECKING:
    from tests.simulation.history.definition import Code

START = 1_800_000_000.0
TIMEOUT_S = 120


class Died(BaseException):
    """A process has died at one of its calls."""


@dataclass(slots=True)
class Shard:
    """A shard of the stream: its records, how many were delivered, and whether it is closed."""

    name: str
    parent: "Shard | None"
    root: int
    records: list[Any] = field(default_factory=list)
    done: int = 0
    closed: bool = False
    half: int | None = None
    """Of the items of its root: the shard is a part of one that has split."""
    listed_at: float = 0
    visible_at: dict[int, float] = field(default_factory=dict)
    """Records, by their index, that no reader meets before a time; nor those after them."""

    @property
    def is_read(self) -> bool:
        before = self.parent is None or self.parent.is_read
        return before and self.closed and self.done == len(self.records)


class World:
    """Everything that outlives a process, and what may happen to it."""

    def __init__(
        self, seed: int, *, baskets: bool = False, attached: bool = False, carries: bool = False, keeps: bool = False
    ) -> None:
        self.random = Random(seed)  # noqa: S311 - not a secret
        self.attached = StreamOfAttached(self) if attached else None
        self.now = START
        self.baskets = baskets
        self.keeps = keeps
        self.codes = kept.CODES if keeps else CODES if baskets else model.CODES
        self.code: Code = self.codes["first"]
        self.database = Database()
        for name, *keys in (("items", "pk"), ("aggregates", "pk", "sk"), ("progress", "pk", "sk")):
            self.database.create(name, *keys, on_change=self._on_change if name == "items" else None)
        self.dynamodb: Any = DynamoDB(self.database)
        self.buckets: Any = Buckets(lambda: self.now)
        self.functions: Any = Functions(self.now)
        self.roots = self.random.choice((1, 2, 3))
        self.shards = [Shard(f"s{root}", None, root) for root in range(self.roots)]
        self.sequence = 10**21
        self.names = itertools.count()
        self.expiring = False
        self.in_call = False
        self.died = 0
        self.dies = self.random.choice((0, 0, 0.002, 0.01))
        self.busy = self.random.choice((0.02, 0.1, 0.25))
        self.given_up: list[str] = []
        self.gives_up = False
        self.trace: list[str] = []
        self.windows = Windows(self) if carries else None

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now - START:9.0f} s  {text}")

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    # --- items ---------------------------------------------------------------------------------------------

    def write(self, key: str, item: dict[str, Any] | None, *, expired: bool = False) -> None:
        """Put or delete an item."""
        self.expiring = expired
        if item is None:
            self.database.delete_item(TableName="items", Key=encode_item({"pk": key}))
        else:
            self.database.put_item(TableName="items", Item=encode_item({"pk": key, **item}))
        self.expiring = False

    def items(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the items: collection, key and fields."""
        found = []
        for row in map(decode_item, self.database.rows("items")):
            key = row.pop("pk")
            found.append((key.partition("#")[0], key, row))
        return found

    def _on_change(self, _key: Any, old: Any, new: Any) -> None:
        if old == new:
            return
        key = (new or old)["pk"]["S"]
        shard = self._open_shard(key)
        self.sequence += self.random.randrange(1, 50)
        body: dict[str, Any] = {"Keys": {"pk": {"S": key}}, "SequenceNumber": str(self.sequence)}
        body["ApproximateCreationDateTime"] = int(self.now)
        body |= ({"OldImage": old} if old else {}) | ({"NewImage": new} if new else {})
        record = {"eventID": str(self.sequence), "eventName": "REMOVE" if new is None else "MODIFY", "dynamodb": body}
        if self.expiring:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        if self.attached:
            self.attached.hide(shard)
        shard.records.append(record)

    def _open_shard(self, key: str) -> Shard:
        root = sum(key.encode()) % self.roots
        half = zlib.crc32(key.encode()) % 2
        return next(
            shard for shard in self.shards if shard.root == root and not shard.closed and shard.half in (None, half)
        )

    def roll(self) -> None:
        """Close an open shard; another one goes on."""
        shard = self.random.choice([shard for shard in self.shards if not shard.closed])
        shard.closed = True
        halves = self.attached.halves(shard) if self.attached else [shard.half]
        for half in halves:
            following = Shard(f"s{len(self.shards)}", shard, shard.root, half=half)
            if self.attached and half != halves[0]:
                following.listed_at = self.attached.listed_at()
            self.shards.append(following)

    def describe_stream(self, **_request: Any) -> Any:
        """Describe the stream."""
        shards = []
        for shard in (one for one in self.shards if one.listed_at <= self.now):
            numbers = {"StartingSequenceNumber": str(self._first(shard))}
            if shard.closed:
                numbers["EndingSequenceNumber"] = str(self._first(shard) + len(shard.records) * 50)
                if shard.records:
                    numbers["EndingSequenceNumber"] = shard.records[-1]["dynamodb"]["SequenceNumber"]
            parent = {} if shard.parent is None else {"ParentShardId": shard.parent.name}
            shards.append({"ShardId": shard.name, "SequenceNumberRange": numbers, **parent})
        return {"StreamDescription": {"Shards": shards}}

    def _first(self, shard: Shard) -> int:
        if shard.records:
            return int(shard.records[0]["dynamodb"]["SequenceNumber"])
        return self.sequence + 1

    # --- processes -----------------------------------------------------------------------------------------

    def hook(self) -> None:
        """Stand between the calls of a process: it may die here, and others may act."""
        if self.random.random() < self.dies:
            self.died += 1
            raise Died
        if not self.in_call and self.random.random() < self.busy:
            self.in_call = True
            try:
                self.act()
            finally:
                self.in_call = False

    def act(self) -> None:
        """Let something happen beside the process under way."""
        if self.keeps and self.random.random() < 0.1:
            self.expire_rows(self.random.choice((0.5, 1)))
        if self.random.random() < 0.6:
            self.write_something()
        else:
            self.deliver()

    def write_something(self) -> None:
        """Write, delete or expire some item."""
        random = self.random
        if self.keeps and random.random() < 0.5:
            self.write(f"trips#{random.randrange(8)}", some_trip(random, self.now) if random.random() < 0.8 else None)
            return
        if random.random() < 0.3:
            key = f"visits#{random.randrange(4)}"
            present = any(row["pk"]["S"] == key for row in self.database.rows("items"))
            if random.random() < 0.4:
                if present:
                    self.write(key, None, expired=random.random() < 0.7)
            else:
                self.write(key, {"page": random.choice("xy"), "ms": random.randrange(9)})
            return
        if self.baskets and random.random() < 0.3:
            self.write_basket(f"STORE#{random.choice('ab')}#BASKET#{random.randrange(3)}")
            return
        key = f"orders#{random.randrange(8)}"
        if random.random() < 0.25:
            self.write(key, None)
            return
        order: dict[str, Any] = {"shop": random.choice("abc"), "paid": random.random() < 0.5}
        if random.random() < 0.8:
            order["amount"] = random.randrange(5)
        if random.random() < 0.05:
            order["amount"] = "invalid"
        self.write(key, order)

    def write_basket(self, key: str) -> None:
        """Write or delete an item with keys of its own, and with no line, some, or equal ones."""
        random = self.random
        lines: Any = [{"product": random.choice("xyz")} for _ in range(random.randrange(4))]
        for line in lines:
            if random.random() < 0.8:
                line["pieces"] = random.randrange(4)
        if random.random() < 0.05:
            lines = "invalid"
        self.write(key, None if random.random() < 0.25 else {"lines": lines})

    def visible(self, shard: Shard) -> list[Any]:
        """Return the records of a shard that readers meet now."""
        hidden = [index for index, time in shard.visible_at.items() if time > self.now]
        return shard.records[: min(hidden, default=len(shard.records))]

    def deliver(self, shard: Shard | None = None, most: int = 8) -> None:
        """Deliver a batch, perhaps one that was delivered before."""
        readable = [one for one in self.shards if one.parent is None or one.parent.is_read]
        shard = shard or self.random.choice(readable)
        start = shard.done
        if start and self.random.random() < 0.15:
            start = self.random.randrange(start)
        batch = self.visible(shard)[start : start + self.random.randint(1, most)]
        if not batch and not self.windows:
            return
        event = {"Records": batch, "shardId": shard.name, "eventSourceARN": "stream"}
        if self.windows:
            event = self.windows.event(shard, batch)
        inside, self.in_call = self.in_call, True
        try:
            response = self.stage()(event)
        except Died:
            return
        except Transient:
            assert not batch
            return
        finally:
            self.in_call = inside
        if self.windows:
            self.windows.keep(shard, response["state"])
        failures = response["batchItemFailures"]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        done = numbers.index(failures[0]["itemIdentifier"]) if failures else len(batch)
        shard.done = max(shard.done, start + done)

    def give_up(self) -> str | None:
        """Let the mapping discard a batch that was never delivered; return the key of its record."""
        shard = self.random.choice([one for one in self.shards if one.parent is None or one.parent.is_read])
        batch = self.visible(shard)[shard.done : shard.done + self.random.randint(1, 3)]
        if not batch:
            return None
        shard.done += len(batch)
        ends = [batch[0]["dynamodb"], batch[-1]["dynamodb"]]
        times = [datetime.fromtimestamp(end["ApproximateCreationDateTime"], UTC).isoformat() for end in ends]
        body = {
            "requestContext": {"functionArn": "arn:aws:lambda:us-east-1:1:function:aggregate"},
            "DDBStreamBatchInfo": {
                "shardId": shard.name,
                "startSequenceNumber": ends[0]["SequenceNumber"],
                "endSequenceNumber": ends[1]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": times[0],
                "approximateArrivalOfLastRecord": times[1],
            },
            "payload": json.dumps({"Records": batch, "shardId": shard.name, "eventSourceARN": "stream"}),
        }
        self.note(f"{len(batch)} records of {shard.name} given up")
        self.given_up.append(shard.name)
        key = f"aws/lambda/1/{shard.name}/{len(self.given_up)}"
        self.buckets.put_object(Bucket="failures", Key=key, Body=json.dumps(body).encode())
        return key

    def stage(self) -> Aggregator:
        """Return the stage in a new process."""
        dynamodb: Any = Hooked(self.dynamodb, self.hook)
        buckets: Any = Hooked(self.buckets, self.hook)
        committer = Committer(dynamodb, "aggregates", self.clock, executor=lambda _threads: SerialExecutor(0))
        streams: Any = self.windows or self
        lineages = Lineages(dynamodb, lambda: streams, "aggregates", self.clock)
        feeder = assemble_feeder(dynamodb, lambda: buckets, "aggregates", "progress", "history", lineages, self.clock)
        progress = ProgressWriter(dynamodb, "progress", "aggregate", self.clock)
        write_behind_s = WINDOW_S if self.windows else 0
        return Aggregator(self.code.pipeline, committer, lineages, feeder, progress, write_behind_s)

    def workshop(self) -> Workshop:
        """Return what a job works with, in a new process."""
        dynamodb: Any = Hooked(ReadOnly(self.dynamodb, "items") if self.attached else self.dynamodb, self.hook)
        buckets: Any = Hooked(self.buckets, self.hook)
        streams: Any = self.attached or self
        lineages = Lineages(dynamodb, lambda: streams, "aggregates", self.clock)
        return Workshop(
            pipeline=self.code.pipeline,
            dynamodb=dynamodb,
            s3=lambda: buckets,
            items_table="items",
            aggregates_table="aggregates",
            history_bucket="history",
            failures_bucket="failures",
            jobs=JobTable(dynamodb, "aggregates", self.clock),
            control=ControlTable(dynamodb, "aggregates"),
            progress=ProgressRows(dynamodb, "progress"),
            firsts=BoundaryFirsts(dynamodb, "aggregates", self.clock),
            journal=JournalBucket(lambda: buckets, "history"),
            expired=ExpiredImages(lambda: buckets, "history"),
            lineages=lineages,
            committer=Committer(dynamodb, "aggregates", self.clock, executor=lambda _threads: SerialExecutor(0)),
            shards=StreamShards(dynamodb, "items", lineages),
            deployment=Deployment(lambda: self.functions, "aggregate"),
            timing=Timing(min_partitions=2, timeout_s=TIMEOUT_S),
            clock=self.clock,
            attached_stream="stream" if self.attached else "",
            new_name=lambda: f"{next(self.names):012}",
        )

    def deploy(self, name: str) -> None:
        """Deploy another definition; invocations of the earlier one have ended."""
        self.code = self.codes[name]
        self.functions.revision += 1
        self.functions.now = self.now
        self.note(f"deployed {name}")

    def settle(self) -> None:
        """Deliver everything."""
        dies, self.dies = self.dies, 0
        self.now = max([self.now, *(time for shard in self.shards for time in shard.visible_at.values())])
        for _ in range(10_000):
            left = [one for one in self.shards if one.done < len(one.records)]
            left = [one for one in left if one.parent is None or one.parent.is_read]
            if not left:
                break
            self.deliver(left[0], most=100)
        for shard in self.shards if self.windows else ():
            self.end_windows(shard)
        self.dies = dies

    def end_windows(self, shard: Shard) -> None:
        """Make final invocations until a shard has nothing outstanding."""
        inside, self.in_call = self.in_call, True
        for _ in range(20):
            outstanding = [row["sk"]["S"] for row in self.database.rows("progress") if "outstanding" in row]
            if self.windows and shard.name in outstanding:
                self.windows.end(shard)
        self.in_call = inside

    def expire_rows(self, share: float = 1) -> None:
        """Remove rows whose time is over, or some of them, as TTL does."""
        for row in self.database.rows("aggregates"):
            is_over = "expires_at" in row and int(row["expires_at"]["N"]) < self.now
            if is_over and self.random.random() < share:
                self.database.delete_item(TableName="aggregates", Key={"pk": row["pk"], "sk": row["sk"]})
