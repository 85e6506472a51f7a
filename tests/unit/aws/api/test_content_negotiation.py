"""api: content negotiation (RFC 9110): rows as JSON or CSV, a CSV's cells inert or exact, or none that is accepted."""

import csv
import io

import pytest

from functions.api.app import handler
from tailrace.testing import history
from tests.api_client import request
from tests.unit.aws.api.counting import count, order

ACCEPTS = {
    "text/csv": "'=1",
    "text/csv; charset=utf-8": "'=1",
    "text/csv;header=present, */*;q=0.1": "'=1",
    "text/*": "'=1",
    "text/csv; cells=exact": "=1",
    'text/csv;CELLS="exact"': "=1",
    "text/csv; header=present; cells=exact; q=0.9": "=1",
    "text/csv;q=0.5, text/csv;cells=exact": "=1",
    "text/csv, text/csv;cells=exact;q=0.5": "'=1",
    "text/csv; cells=exact, application/json;q=0.5": "=1",
}


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.usefixtures("cloud")
def test_csv_is_inert_in_a_spreadsheet_unless_exact_cells_are_asked_for(accept: str) -> None:
    count(history("orders", [("1", order(9, shop="=1", amount=-5))]))
    for query, path in (("shop=%3D1", "shop_hours/rows"), ("shop=%3D1&by=basket", "shop_hours/top")):
        answer = handler(request("GET", f"/aggregates/{path}", query=query, headers={"accept": accept}), None)
        assert answer["statusCode"] == 200
        kind = "text/csv; charset=utf-8; header=present" + ("; cells=exact" if ACCEPTS[accept] == "=1" else "")
        assert answer["headers"]["Content-Type"] == kind
        (found,) = csv.DictReader(io.StringIO(answer["body"], newline=""))
        assert (found["shop"], found["revenue"], found["basket"]) == (ACCEPTS[accept], "-5", "-5")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (",", "application/json"),
        ("", "application/json"),
        (" , ,", "application/json"),
        (", text/csv ,", "text/csv; charset=utf-8; header=present"),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_empty_elements_of_a_list_are_ignored(accept: str, kind: str) -> None:
    """RFC 9110, section 5.6.1.2."""
    answer = handler(request("GET", "/aggregates/shop_hours/rows", query="shop=a", headers={"accept": accept}), None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, kind)


@pytest.mark.parametrize("accept", ["text/csv;q=0", "text/csv; cells=exact; q=0", "text/html"])
@pytest.mark.usefixtures("cloud")
def test_csv_that_is_not_accepted_is_not_sent(accept: str) -> None:
    refused = request("GET", "/aggregates/shop_hours/rows", query="shop=a", headers={"accept": accept})
    assert handler(refused, None)["statusCode"] == 406
