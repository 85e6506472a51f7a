"""Several writers at once on DynamoDB Local: no change is lost, nothing is made or carried out twice."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler import Response

from tailrace import Collection, Pipeline
from tailrace.aws.api.idempotency import Idempotency
from tailrace.aws.items.store import ItemStore
from tailrace.errors import Conflict, InvalidItem, NotFound, PreconditionFailed
from tailrace.http.preconditions import Preconditions, parse_preconditions
from tailrace.http.problems import IdempotencyKeyInUse
from tests.concurrency import WRITERS, run_concurrently
from tests.pipelines.orders import orders

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROUNDS = 5
ONLY_NEW = parse_preconditions(None, "*")
ORDER: dict[str, Any] = {"shop": "a", "placed": "b"}

many = Collection(
    "many",
    schema={"properties": {f"field{n}": {} for n in range(140)}, "additionalProperties": False},
)
pipeline = Pipeline(collections=[orders, Collection("things", schema={"type": "object"}), many])


@pytest.fixture
def store(dynamodb: "DynamoDBClient", table: Callable[..., str]) -> ItemStore:
    return ItemStore(dynamodb, table("pk"), pipeline)


def until_done(write: Callable[[], Any]) -> None:
    """Read and write again until nobody else was faster."""
    while True:
        try:
            write()
        except (PreconditionFailed, Conflict):
            continue
        return


def seen(store: ItemStore, collection: str, item_id: str = "1") -> tuple[dict[str, Any], Preconditions]:
    """Return an item, and the condition that it is still the same."""
    found = store.get(collection, item_id)
    return found.item, parse_preconditions(found.etag, None)


@pytest.mark.parametrize("collection", ["orders", "things"])
def test_counts_under_if_match_lose_nothing(store: ItemStore, collection: str) -> None:
    store.put(collection, "1", ORDER | {"lines": 100})

    def count() -> None:
        item, same = seen(store, collection)
        store.put(collection, "1", item | {"lines": item["lines"] + 1}, preconditions=same)

    def count_on(_writer: int) -> None:
        for _ in range(ROUNDS):
            until_done(count)

    run_concurrently(count_on)
    assert store.get(collection, "1").item["lines"] == 100 + WRITERS * ROUNDS


NEW_FIELDS = {
    "orders": ["amount", "paid", "lines", "tags", "notes"],
    "things": [f"field{n}" for n in range(WRITERS)],
    "many": [f"field{n}" for n in range(WRITERS)],
}
VALUES = {"amount": 1, "paid": True, "lines": 2, "tags": ["x"], "notes": {"n": 1}}


@pytest.mark.parametrize("collection", NEW_FIELDS)
@pytest.mark.parametrize("begun_by", ["the engine", "a plain SDK"])
def test_a_field_that_another_writer_adds_is_never_overwritten(
    store: ItemStore, collection: str, begun_by: str
) -> None:
    names = NEW_FIELDS[collection]
    start = ORDER if collection == "orders" else {"field100": 1}
    for _ in range(ROUNDS):
        store.put(collection, "1", start)
        if begun_by == "a plain SDK":
            row: Any = {"pk": {"S": f"{collection}#1"}} | {
                k: {"S" if k in ORDER else "N": str(v)} for k, v in start.items()
            }
            store.client.put_item(TableName=store.table, Item=row)

        def add(writer: int) -> None:
            item, same = seen(store, collection)
            store.put(collection, "1", item | {names[writer]: VALUES.get(names[writer], writer)}, preconditions=same)

        run_concurrently(lambda writer: until_done(lambda: add(writer)), len(names))
        assert store.get(collection, "1").item.keys() == start.keys() | set(names)


@pytest.mark.parametrize("collection", ["orders", "things"])
def test_patches_of_different_fields_are_all_kept(store: ItemStore, collection: str) -> None:
    store.put(collection, "1", ORDER)
    names = NEW_FIELDS["orders"]

    def change(writer: int) -> None:
        for _ in range(ROUNDS):
            until_done(lambda: store.patch(collection, "1", {names[writer]: VALUES[names[writer]]}))

    run_concurrently(change, len(names))
    assert store.get(collection, "1").item == ORDER | VALUES


def test_an_item_is_made_once(store: ItemStore) -> None:
    def make(writer: int) -> bool:
        try:
            return store.put("orders", "1", ORDER | {"lines": writer}, preconditions=ONLY_NEW)
        except PreconditionFailed:
            return False

    for _ in range(ROUNDS):
        assert sum(run_concurrently(make)) == 1
        store.delete("orders", "1")


def test_an_item_that_has_changed_is_not_deleted(store: ItemStore) -> None:
    for _ in range(ROUNDS):
        store.put("orders", "1", ORDER)
        _, same = seen(store, "orders")

        def act(writer: int, same: Preconditions = same) -> str:
            try:
                if writer % 2:
                    store.delete("orders", "1", preconditions=same)
                else:
                    store.patch("orders", "1", {"lines": writer + 1}, preconditions=same)
            except (PreconditionFailed, NotFound, Conflict):
                return ""
            return "deleted" if writer % 2 else "changed"

        assert len([done for done in run_concurrently(act) if done]) == 1


def test_as_many_fields_as_are_told_can_be_compared(store: ItemStore) -> None:
    for collection in ("things", "many"):
        store.put(collection, "1", {f"field{n}": n for n in range(140)}, 1_900_000_000)
        item, same = seen(store, collection)
        assert store.put(collection, "1", item | {"field0": "x"}, preconditions=same) is False
        assert store.delete(collection, "1", preconditions=seen(store, collection)[1]) is True
    store.put("things", "1", {f"field{n}": n for n in range(141)})
    with pytest.raises(InvalidItem, match="without conditions"):
        store.put("things", "1", {}, preconditions=seen(store, "things")[1])
    assert store.put("things", "1", {}) is False


def test_a_request_with_a_key_is_carried_out_once(dynamodb: "DynamoDBClient", table: Callable[..., str]) -> None:
    kept = Idempotency(dynamodb, table("id"))
    carried_out: list[int] = []

    def ask(writer: int) -> str:
        def carry_out() -> Response[str]:
            carried_out.append(writer)
            return Response(200, "application/json", f'"{writer}"')

        try:
            return kept.run_once(("", "k"), {"body": "same"}, carry_out, lambda: 29_000).body or ""
        except IdempotencyKeyInUse:
            return ""

    first = run_concurrently(ask)
    assert len(carried_out) == 1
    assert set(first) <= {"", f'"{carried_out[0]}"'}
    assert run_concurrently(ask) == [f'"{carried_out[0]}"'] * WRITERS
