"""docs/dashboards.md: its Python reads the aggregates table by key, and finds what the function has kept there."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3

from tailrace.testing import event, history
from tests.storage.conftest import Aggregates

PAGE = (Path(__file__).parents[2] / "docs" / "dashboards.md").read_text()
(PYTHON,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_python_of_the_page_reads_one_groups_rows(aggregates: Aggregates, dynamodb_endpoint: str) -> None:
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(PYTHON, "docs/dashboards.md", "exec"), space)  # noqa: S102 - our own page
    placed = ("2024-10-26T22:30:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-28T09:00:00Z")
    orders: list[tuple[str, Any]] = [
        (str(number), {"shop": "a#b", "placed": at, "amount": 100 * number}) for number, at in enumerate(placed)
    ]
    gone = ("gone", {"shop": "a#b", "placed": "2024-10-27T05:00:00Z", "amount": 1})
    aggregates.absorb(event(history("orders", [*orders, gone, ("gone", None)])))
    began = {"pk": {"S": "shop_hours@1#a%23b"}, "sk": {"S": "2024-10-27T09:00+01:00"}, "updated_at": {"S": "…"}}
    aggregates.dynamodb.put_item(TableName=aggregates.name, Item=began)
    table = boto3.resource("dynamodb", endpoint_url=dynamodb_endpoint).Table(aggregates.name)
    found = space["rows"](table, "shop_hours@1", "a#b", "2024-10-27", "2024-10-27")
    assert [row["hour"] for row in found] == [
        f"2024-10-27T{hour}" for hour in ("00:00+02:00", "02:00+01:00", "02:00+02:00")
    ]
    assert [space["mean"](row, "basket") for row in found] == [0, 200, 100]
    assert space["mean"]({"m_total": Decimal(0), "m_count": Decimal(0)}, "m") is None
    assert space["mean"]({"~inexact": Decimal(1)}, "m") is None
