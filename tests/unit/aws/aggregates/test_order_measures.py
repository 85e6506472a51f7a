"""What a batch reads for its order measures, and what a main row keeps so that it need not read more."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.in_memory import Database
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, minimum, top, total
from tailrace.aggregation.carried.rows import folded
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.row_changes import PartlyAbsorbed
from tailrace.aggregation.values import frequent_values
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.outcomes import SumOverflow
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.testing import record
from tests.simulation.world.serial_executor import SerialExecutor

orders = Collection("orders", schema={"type": "object"})
pipeline = Pipeline(
    [orders],
    [
        Aggregate(
            "shops",
            of=orders,
            by=[field("shop")],
            measures={"orders": count(), "best": top("kind", 2), "kinds": distinct("kind")},
            listed=False,
        ),
        Aggregate(
            "sums",
            of=orders,
            by=[field("shop")],
            measures={"sum": total("amount"), "usual": top("amount", 2)},
            listed=False,
        ),
        Aggregate("ends", of=orders, by=[field("shop")], measures={"first": minimum("number")}, listed=False),
    ],
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = {"pk": {"S": "shops@1#a"}, "sk": {"S": "-"}}


class Client:
    """A table in memory that counts the rows that are read, by operation; each shard has a process of its own."""

    def __init__(self) -> None:
        self.database = Database()
        self.database.create("rows", "pk", "sk")
        self.read: Counter[str] = Counter()
        self.now = NOW
        self.sequence = 0
        self.processes: dict[str, Committer] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            answer = getattr(self.database, name)(**request)
            if name == "batch_get_item":
                keys = [key for part in request["RequestItems"].values() for key in part["Keys"]]
                self.read["main"] += KEY in keys
                self.read["values"] += len(keys) - (KEY in keys)
            elif name == "query":
                self.read["found"] += len(answer["Items"])
            return answer

        return call

    def absorb(
        self, *changes: tuple[Any, Any], shard: str = "1", name: str = "kind", carried: bool = False
    ) -> Sequence[Any]:
        """Commit the changes of some orders, each given as its old and new kind."""
        records = []
        for old, new in changes:
            self.sequence += 1
            before, after = (None if one is None else {"shop": "a", name: one} for one in (old, new))
            records.append(record(self.sequence, "orders", ("1", before, after)))
        client: Any = self
        process = self.processes.setdefault(
            shard, Committer(client, "rows", lambda: self.now, True, executor=lambda _threads: SerialExecutor(0))
        )
        rows = fold_records(records, pipeline).rows
        return process.commit([folded(row) for row in rows] if carried else rows, Lineage(f"~{shard}"))

    def take(self, *changes: tuple[Any, Any], shard: str = "1") -> None:
        """Commit the changes of some orders, each given as its old and new number."""
        assert not self.absorb(*changes, shard=shard, name="number")

    def end(self) -> dict[str, Any]:
        """Return the main row of the numbers."""
        key = {"pk": {"S": "ends@1#a"}, "sk": {"S": "-"}}
        return decode_item(self.database.get_item(TableName="rows", Key=key)["Item"])

    def add(self, **items: int) -> None:
        """Add orders of some kinds."""
        assert not self.absorb(*((None, kind) for kind, number in items.items() for _ in range(number)))

    def row(self) -> dict[str, Any]:
        """Return the main row."""
        return decode_item(self.database.get_item(TableName="rows", Key=KEY).get("Item", {}))

    def best(self) -> list[tuple[str, int]]:
        """Return the most frequent kinds with their numbers of items."""
        return [(one["value"], one["count"]) for one in self.row()["best"]]


@pytest.fixture
def client() -> Client:
    """Return an empty table."""
    return Client()


@pytest.mark.parametrize("there", [10, 5_000])
def test_a_touched_value_costs_one_read_however_many_there_are(client: Client, there: int) -> None:
    for first in range(0, there, 1_000):
        client.absorb(*((None, f"k{number}") for number in range(first, min(first + 1_000, there))))
    for changes, touched in (([(None, "k7")] * 3, 1), ([(None, f"new{n}") for n in range(9)], 9), ([("k5", "k6")], 2)):
        client.read.clear()
        assert not client.absorb(*changes)
        assert client.read == {"values": touched, "main": 0}
    assert client.best() == [("k7", 4), ("k6", 2)]
    assert len(str(client.row()["~r"])) < 1_500


def test_a_process_that_does_not_know_the_row_reads_it_once(client: Client) -> None:
    client.add(pear=3, fig=2, plum=1)
    client.read.clear()
    client.absorb((None, "plum"), shard="2")
    client.absorb((None, "plum"), shard="2")
    assert client.read == {"values": 2, "main": 1}
    assert client.best() == [("pear", 3), ("plum", 3)]


def test_candidates_that_are_used_up_are_read_again_exactly(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frequent_values, "reserve_size", lambda _shown: 1)
    client.add(a=4, b=4, c=4, d=3, e=2, f=1)
    client.read.clear()
    client.absorb(*[("a", None)] * 4)
    assert client.best() == [("b", 4), ("c", 4)]
    assert client.read["found"] == 0
    client.absorb(*[("b", None)] * 4)
    assert client.best() == [("c", 4), ("d", 3)]
    assert client.read["found"] == 6  # all value rows, the empty ones included


def test_changes_that_are_written_one_by_one_all_find_their_values(client: Client) -> None:
    # the table cannot hold the sum, and the first of them makes the candidates of the new row known
    outcomes = client.absorb((None, 10**37), (None, Decimal("1E-17")), (None, 5), (None, 5), name="amount")
    assert [type(outcome) for outcome in outcomes] == [SumOverflow]
    row = decode_item(client.database.get_item(TableName="rows", Key={**KEY, "pk": {"S": "sums@1#a"}})["Item"])
    assert (row["~n"], row["sum"], row["~inexact"]) == (4, 10**37 + 10, 1)
    assert row["usual"] == [{"value": 5, "count": 2}, {"value": Decimal("1E-17"), "count": 1}]


def test_changes_that_were_carried_in_one_sum_are_not_given_up_with_it(client: Client) -> None:
    """The table cannot hold the sum, and may hold each of them."""
    (outcome,) = client.absorb((None, 10**37), (None, Decimal("1E-17")), name="amount", carried=True)
    assert isinstance(outcome.error, PartlyAbsorbed)


def test_an_end_costs_no_more_for_the_values_that_were_there(client: Client) -> None:
    client.take(*((None, number) for number in range(400)))
    for number in range(300):
        client.read.clear()
        client.take((number, None))
        assert client.end()["first"] == number + 1
        assert client.read["found"] <= 20  # and not the value rows that are empty by now
    client.read.clear()
    client.take((399, None), (None, 500))
    assert client.read["found"] == 0
    client.take((None, 7))
    assert client.end()["first"] == 7


def test_a_process_that_does_not_know_an_end_reads_it_in_the_row(client: Client) -> None:
    client.take(*((None, number) for number in range(60)))
    client.take(*((number, None) for number in range(50)))
    client.read.clear()
    client.take((50, None), shard="2")
    assert client.end()["first"] == 51
    assert client.read["found"] <= 11


def without_reserve(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as earlier releases write it."""
    return {name: value for name, value in row.items() if name not in ("~r", "~w")}


def test_a_row_of_an_earlier_release_is_read_once_and_then_kept(client: Client) -> None:
    client.add(pear=3, fig=2, plum=1)
    client.database.put_item(TableName="rows", Item=encode_item(without_reserve(client.row())))
    client.read.clear()
    client.absorb((None, "fig"), (None, "fig"), shard="2")
    client.absorb((None, "plum"), shard="2")
    assert client.best() == [("fig", 4), ("pear", 3)]
    assert (client.read["found"], client.read["main"]) == (3, 1)


def test_a_row_that_an_earlier_release_has_written_since_is_read_again(client: Client) -> None:
    client.add(pear=3)
    # an earlier release counts two figs: it knows nothing of the candidates beside the measures
    value = {"pk": "~values#best#shops@1#a", "sk": "sfig", "value": "fig", "~n": 2, "~c": 1}
    pk = next(row["pk"]["S"] for row in client.database.rows("rows") if "value" in row)
    client.database.put_item(TableName="rows", Item=encode_item(value | {"pk": pk}))
    row = client.row()
    best = [*row["best"], {"value": "fig", "count": 2}]
    row |= {"orders": 5, "~n": 5, "kinds": 2, "~v": row["~v"] + 1, "best": best}
    client.database.put_item(TableName="rows", Item=encode_item(row))
    client.absorb(*[("pear", None)] * 3)
    assert client.best() == [("fig", 2)]


def test_what_a_process_knows_is_forgotten_before_the_row_could_come_back(client: Client) -> None:
    client.add(pear=1)
    client.now += timedelta(hours=30)
    client.read.clear()
    client.absorb((None, "fig"))
    assert client.read["main"] == 1


def test_a_value_that_is_too_long_to_be_kept_is_read_each_time(client: Client) -> None:
    names = [letter * 1_020 for letter in "abcdefghijklmnopqrst"]
    client.absorb(*((None, name) for name in names))
    assert client.row()["~r"] == {}
    client.read.clear()
    client.absorb((None, names[3]), (None, names[3]))
    assert client.best()[0] == (names[3], 3)
    assert client.read["found"] == len(names)
