"""Rankings are what sorting gives; what the key or the number of reads does not allow is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tailrace.aws.aggregates import row_reader as reading
from tailrace.queries import rows as queries
from tests.storage.reading.recount import ORDERS, joined, recounted, seen


@pytest.mark.parametrize("by", ["orders", "lines", "amount", "spread", "most", "kinds"])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_a_ranking_is_what_sorting_gives(pages: Callable[..., Any], by: str, order: str) -> None:
    rows = joined(pages("days/rows", day="2024-10-27"))
    for max_examples in (1, 2, 100):
        found = joined(pages("days/top", day="2024-10-27", by=by, n=max_examples, order=order))
        expected = sorted(rows, key=lambda row: row[by], reverse=order == "desc")
        assert found == expected[:max_examples]
    assert len(joined(pages("days/top", day="2024-10-27", by=by))) == 3


@pytest.mark.parametrize("name", ["hours", "lanes"])
def test_hours_of_a_shop_are_ranked_too(pages: Callable[..., Any], name: str) -> None:
    mine = recounted([order for order in ORDERS if order["shop"] == "a"], "hour")
    expected = sorted(mine, key=lambda row: -row["lines"])[:5]
    assert seen(joined(pages(f"{name}/top", shop="a", by="lines", n=5))) == expected
    march = [row for row in mine if row["time"] < "2024-04"]
    assert seen(joined(pages(f"{name}/top", shop="a", by="lines", n=100, from_="2024-03", to="2024-03"))) == sorted(
        march, key=lambda row: -row["lines"]
    )


def test_what_takes_too_many_reads_is_refused(read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_READS", 1)
    monkeypatch.setattr(queries, "MAX_PARTITIONS_PER_INTERVAL", 2)
    monkeypatch.setattr(queries, "_ASSUMED_BUCKETS", 2)
    for _ in range(2):
        answer = read("hours/rows", shop="a", interval="month", limit=1)
        assert (answer["statusCode"], "too-much" in answer["body"]) == (422, True)
    monkeypatch.setattr(reading, "MAX_READS", 0)
    answer = read("hours/top", shop="a", by="orders")
    assert (answer["statusCode"], "too-much" in answer["body"]) == (422, True)


@pytest.mark.parametrize(
    ("path", "given", "status", "name"),
    [
        ("hours/top", {"by": "orders"}, 422, "key-order"),
        ("hours/top", {"by": "orders", "hour": "2024-10-27T02:00+01:00"}, 422, "key-order"),
        ("days/top", {"by": "kinds", "from": "2024-10-01", "to": "2024-10-31"}, 422, "not-additive"),
        ("totals/top", {"by": "orders", "shop": "a"}, 422, "key-order"),
        ("days/top", {"day": "2024-10-27"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "usual"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "orders", "n": "101"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "orders", "limit": "1"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "orders", "order": "up"}, 400, "invalid-request"),
        ("minutes/rows", {"from": "2024-10-27", "to": "2024-10-28", "interval": "day"}, 422, "key-order"),
        ("days/rows", {"from": "2024-10-27", "to": "2024-10-28", "interval": "hour"}, 400, "invalid-request"),
        ("days/rows", {"day": "2024-10-27", "interval": "month"}, 400, "invalid-request"),
        ("totals/rows", {"shop": "a", "interval": "day"}, 400, "invalid-request"),
        ("hours/rows", {"shop": "a", "interval": "hour"}, 400, "invalid-request"),
        ("hours/rows", {"shop": "a", "order": "backwards"}, 400, "invalid-request"),
        ("nothing/top", {"by": "orders"}, 404, "not-found"),
    ],
)
def test_what_the_key_does_not_allow_is_told(
    read: Callable[..., Any], path: str, given: dict[str, str], status: int, name: str
) -> None:
    answer = read(path, **given)
    assert (answer["statusCode"], json.loads(answer["body"])["type"].rpartition(":")[2]) == (status, name)
