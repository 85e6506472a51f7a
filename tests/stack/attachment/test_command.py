"""`make stack TABLE=… ITEMS=…` with the definition and the table of docs/existing-tables.md, and again with KEEP=1."""

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from local.deployment import deploy
from local.deployment.emulator import ROOT
from tailrace.encoding.dynamodb import encode_item
from tests.stack.checkout import DEFINITION, Checkout, checked_out

SECONDS = 120.0
PAGE = (ROOT / "docs" / "existing-tables.md").read_text()
OLD = {"PK": "CUSTOMER#c-17", "SK": "ORDER#2024", "placed": "2024-05-01", "status": "paid", "amount": 30}
NEW = {"PK": "CUSTOMER#c-17", "SK": "ORDER#2025", "placed": "2025-05-01", "status": "open", "amount": 12}
OTHER = {"PK": "PRODUCT#7", "SK": "STOCK", "units": 4}
ROWS = "aggregates/customer_orders/rows?customer=c-17"


def block(language: str) -> str:
    """Return the page's example in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with checked_out(tmp_path_factory.mktemp("checkout")) as made:
        (made.folder / DEFINITION).write_text(block("python"))
        (made.folder / DEFINITION).with_suffix(".lock.json").unlink()
        (made.folder / "shop.json").write_text(block("json"))
        (made.folder / "items.json").write_text(json.dumps({"Items": [encode_item(OLD), encode_item(OTHER)]}))
        yield made


def put(checkout: Checkout, item: dict[str, Any]) -> None:
    table = deploy.client("dynamodb", checkout.about["endpoint"])
    table.put_item(TableName="shop", Item=encode_item(item))


def orders(checkout: Checkout) -> list[tuple[int, int, int]]:
    return [(row["orders"], row["amount"], row["largest"]) for row in checkout.get(ROWS)["rows"]]


def test_the_page_works_as_it_is_written(checkout: Checkout) -> None:
    """The items that are older than the stream are counted, changes follow, and the next run goes on."""
    checkout.start("--port", str(checkout.port), "--table", "shop.json", "--items", "items.json")
    assert "Built customer_orders@1, products@1, status_days@1 from the items" in checkout.log
    assert "It reads shop and writes nothing to it" in checkout.log
    assert "put-item --table-name shop" in checkout.log
    assert "-X PUT" not in checkout.log
    assert orders(checkout) == [(1, 30, 30)]
    put(checkout, NEW)
    checkout.wait_until(lambda: orders(checkout) == [(2, 42, 30)], SECONDS)
    checkout.stop(signal.SIGINT)
    checkout.start()
    assert checkout.about["outputs"]["ItemsTable"] == "shop"
    put(checkout, NEW | {"amount": 50})
    checkout.wait_until(lambda: orders(checkout) == [(2, 80, 50)], SECONDS)
    table = deploy.client("dynamodb", checkout.about["endpoint"])
    assert table.scan(TableName="shop")["Count"] == 3
