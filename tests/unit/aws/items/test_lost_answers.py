"""A conditional write whose acknowledgement was lost: the SDK repeats it, after its own first attempt."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tailrace.aws.items.store import ItemStore
from tailrace.definition.pipeline import load_pipeline
from tailrace.errors import NotFound, PreconditionFailed
from tailrace.http.preconditions import Preconditions, parse_preconditions
from tests.unit.aws.conftest import Cloud

ORDER = {"shop": "a", "placed": "2024-10-27"}
CHANGED = ORDER | {"paid": True}
OTHER = ORDER | {"shop": "b"}
ABSENT = parse_preconditions(None, "*")

type Lose = Callable[..., None]


@pytest.fixture
def store(cloud: Cloud) -> ItemStore:
    return ItemStore(cloud.dynamodb, "items", load_pipeline("tests.pipelines.orders:pipeline"))


@pytest.fixture
def lose(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Let the next call of a method be carried out and repeated; ``also`` happens in between."""

    def arrange(method: str, also: Callable[[], object] = lambda: None, attempts: int = 1) -> None:
        call: Any = getattr(store.client, method)

        def repeated(**request: Any) -> Any:
            monkeypatch.setattr(store.client, method, call)
            if attempts:
                call(**request)
            also()
            answer: Any = {
                "Error": {"Code": "ConditionalCheckFailedException"},
                "ResponseMetadata": {"RetryAttempts": attempts},
            }
            raise ClientError(answer, method)

        monkeypatch.setattr(store.client, method, repeated)

    return arrange


def tag(store: ItemStore) -> Preconditions:
    return parse_preconditions(store.get("orders", "1").etag, None)


def test_an_item_is_created(store: ItemStore, lose: Lose) -> None:
    lose("put_item")
    assert store.put("orders", "1", ORDER, preconditions=ABSENT) is True


def test_an_item_is_replaced(store: ItemStore, lose: Lose) -> None:
    store.put("orders", "1", ORDER)
    lose("put_item")
    assert store.put("orders", "1", CHANGED, preconditions=tag(store)) is False
    assert store.get("orders", "1").item == CHANGED


def test_an_item_is_deleted(store: ItemStore, lose: Lose) -> None:
    store.put("orders", "1", ORDER)
    lose("delete_item")
    assert store.delete("orders", "1", tag(store)) is True
    with pytest.raises(NotFound):
        store.get("orders", "1")


def test_an_item_is_patched(store: ItemStore, lose: Lose) -> None:
    store.put("orders", "1", ORDER)
    lose("update_item")
    assert store.patch("orders", "1", {"paid": True}, tag(store)).item == CHANGED


@pytest.mark.parametrize("attempts", [0, 1])
def test_what_another_writer_has_made_of_the_item_is_not_taken_for_its_own(
    store: ItemStore, lose: Lose, attempts: int
) -> None:
    other = lambda: store.put("orders", "1", OTHER)  # noqa: E731
    lose("put_item", other, attempts)
    with pytest.raises(PreconditionFailed):
        store.put("orders", "1", ORDER, preconditions=ABSENT)
    for method, write in (
        ("put_item", lambda given: store.put("orders", "1", CHANGED, preconditions=given)),
        ("delete_item", lambda given: store.delete("orders", "1", given)),
        ("update_item", lambda given: store.patch("orders", "1", {"paid": True}, given)),
    ):
        store.put("orders", "1", ORDER)
        given = tag(store)
        lose(method, other, attempts)
        with pytest.raises(PreconditionFailed):
            write(given)
        assert store.get("orders", "1").item == OTHER


def test_the_same_item_by_another_writer_is_refused_without_a_repetition(store: ItemStore) -> None:
    store.put("orders", "1", ORDER)
    with pytest.raises(PreconditionFailed):
        store.put("orders", "1", ORDER, preconditions=ABSENT)


def test_a_boolean_of_another_writer_is_not_taken_for_the_number_that_was_requested(
    cloud: Cloud, lose: Lose, store: ItemStore
) -> None:
    anything = ItemStore(store.client, "items", load_pipeline("tests.pipelines.anything:pipeline"))
    lose("put_item", lambda: anything.put("things", "1", {"a": True}), attempts=1)
    with pytest.raises(PreconditionFailed):
        anything.put("things", "1", {"a": 1}, preconditions=ABSENT)
    anything.put("things", "1", {"a": 5})
    unchanged = parse_preconditions(anything.get("things", "1").etag, None)
    lose("update_item", lambda: anything.put("things", "1", {"a": True}), attempts=1)
    with pytest.raises(PreconditionFailed):
        anything.patch("things", "1", {"a": 1}, unchanged)
    assert cloud.items()["things#1"]["a"] is True
