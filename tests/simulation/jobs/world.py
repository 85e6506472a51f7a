"""A stack with jobs, and what happens beside its processes: writes, deliveries, and batches that are given up.

At each call of a job or an invocation, others may act, and the process may die. What happens follows from the seed.
"""

import json
from datetime import UTC, datetime
from typing import Any

from tailrace.errors import Transient
from tests.simulation.jobs.kept import some_trip
from tests.simulation.jobs.stack.processes import Died, Processes
from tests.simulation.jobs.stack.stream import Shard


class World(Processes):
    """Everything that outlives a process, what may happen to it, and the processes themselves."""

    def __init__(self, seed: int, **modes: bool) -> None:
        """Begin with empty tables, in the modes of :class:`Processes`."""
        super().__init__(seed, **modes)
        self.given_up: list[str] = []

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

    def deliver(self, shard: Shard | None = None, most: int = 8) -> None:
        """Deliver a batch, perhaps one that was delivered before."""
        shard = shard or self.random.choice(self.readable())
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
        shard = self.random.choice(self.readable())
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

    def settle(self) -> None:
        """Deliver everything."""
        dies, self.dies = self.dies, 0
        self.now = max([self.now, *(time for shard in self.shards for time in shard.visible_at.values())])
        for _ in range(10_000):
            left = [one for one in self.readable() if one.done < len(one.records)]
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
                self.windows.end(shard, self.stage)
        self.in_call = inside
