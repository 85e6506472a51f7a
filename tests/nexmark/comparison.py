"""Play a stream of Nexmark through a query's pipeline, and compare the answer with DuckDB's."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from tailrace.aggregation.fold import fold_records
from tailrace.definition.pipeline import Route
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event, record
from tests.nexmark.generator import Item, Write
from tests.nexmark.queries import SIDE_INPUT, Query
from tests.nexmark.rows import Rows

type Record = dict[str, Any]
type Batch = tuple[str, Sequence[Record]]
"""A shard and its records."""

_SQL = Path(__file__).with_name("queries.sql")
_TABLES = """
CREATE TABLE given (
    auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime VARCHAR, received VARCHAR,
    extra VARCHAR
);
CREATE VIEW bids AS
SELECT *, CAST(dateTime AS TIMESTAMP) AS moment, CAST(received AS TIMESTAMP) AS received_at FROM given;
CREATE TABLE side_input (key BIGINT, value VARCHAR);
"""
_SHARDS = 3
_REPEATED = 0.2


class Table:
    """The items table: turns writes into stream records, and holds the items at the end."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self._sequence = 0

    @property
    def bids(self) -> Iterator[Item]:
        """The bids that exist."""
        return (item for (collection, _), item in self.items.items() if collection == "bids")

    def records(self, writes: Iterable[Write]) -> Iterator[tuple[str, Record]]:
        """Yield each change's shard and record."""
        for collection, identity, new in writes:
            key = collection, identity
            old = self.items.get(key)
            if old == new:
                continue
            self._sequence += 1
            shard = f"shardId-{hash_of(identity) % _SHARDS:020d}-00000000"
            yield shard, record(self._sequence, collection, (identity, old, new))
            if new is None:
                del self.items[key]
            else:
                self.items[key] = new


def hash_of(identity: str) -> int:
    """Return a number that spreads ids over shards, the same in every process."""
    return sum(map(ord, identity)) * 7919 % 104_729


def deliveries(records: Iterable[tuple[str, Record]], size: int, seed: int) -> Iterator[Batch]:
    """Cut the stream into batches of up to ``size`` records, and deliver some records again, cut differently."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    waiting: defaultdict[str, list[Record]] = defaultdict(list)
    before: dict[str, list[Record]] = {}

    def cut(shard: str) -> Iterator[Batch]:
        batch = waiting.pop(shard)
        yield shard, batch
        if chance.random() < _REPEATED:
            joined = before.get(shard, []) + batch
            start = chance.randrange(len(joined))
            again = joined[start:]
            middle = chance.randint(0, len(again))
            yield from ((shard, part) for part in (again[:middle], again[middle:]) if part)
        before[shard] = batch

    for shard, one in records:
        waiting[shard].append(one)
        if len(waiting[shard]) >= size:
            yield from cut(shard)
    for shard in list(waiting):
        yield from cut(shard)


class Subscriber:
    """A consumer of a route: it keeps the newest item of each id that satisfies the route's predicate.

    Events arrive at least once, in order for each item; a change that was seen before has no greater sequence number.
    """

    def __init__(self, route: Route) -> None:
        self._when = route.when
        self._items: dict[str, tuple[int, Item | None]] = {}

    def receive(self, message: Record) -> None:
        """Take an event, decoded."""
        identity, data = message["subject"], message["data"]
        if int(data["sequence"]) > self._items.get(identity, (0, None))[0]:
            new = data["new"]
            self._items[identity] = int(data["sequence"]), new if new is not None and self._when(new) else None

    def items(self) -> Iterator[Item]:
        """Yield the items."""
        return (item for _, item in self._items.values() if item is not None)


def answer(query: Query, batches: Iterable[Batch]) -> Counter[tuple[Any, ...]]:
    """Return the rows that a query's pipeline comes to, with their number."""
    if query.aggregate is None:
        subscriber, images = Subscriber(query.route), PreparedImages(query.pipeline)
        for shard, records in batches:
            sent = dispatch(parse_raw_batch(event(records, shard=shard)), query.pipeline, images)
            assert not sent.quarantine
            for outgoing in sent.routes[query.route.name]:
                subscriber.receive(loads(outgoing.text))
        return Counter(row for item in subscriber.items() for row in query.read(item))
    rows = Rows(query.aggregate)
    for shard, records in batches:
        folded = fold_records(records, query.pipeline)
        assert not folded.poison
        rows.absorb(folded, shard)
    return Counter(line for row in rows.rendered() for line in query.read(row))


class Database:
    """DuckDB with the bids that exist at the end."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(_TABLES)
        columns = [list(SIDE_INPUT), list(SIDE_INPUT.values())]
        self._connection.execute("INSERT INTO side_input SELECT unnest(?), unnest(?)", columns)
        views, *queries = re.split(r"^-- (q\d+)$", _SQL.read_text(encoding="utf-8"), flags=re.MULTILINE)
        self._connection.execute(views)
        self._queries = dict(zip(queries[::2], queries[1::2], strict=True))

    def load(self, bids: Iterable[Item]) -> None:
        """Replace the bids."""
        self._connection.execute("DELETE FROM given")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "bids.jsonl"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(f"{dumps(bid)}\n" for bid in bids)
            if path.stat().st_size:
                self._connection.execute("COPY given FROM ? (FORMAT json)", [str(path)])

    def answer(self, query: Query) -> Counter[tuple[Any, ...]]:
        """Return the rows of a query's SQL, with their number."""
        return Counter(self._connection.execute(self._queries[query.name]).fetchall())
