"""api: readers follow the control rows, and are told what they read."""

import json
from collections.abc import Iterator
from copy import replace
from decimal import Decimal
from typing import Any

import pytest

from functions.aggregate.app import handler as aggregate
from functions.aggregate.app import stage as aggregate_stage
from functions.api import app
from tailrace.aws.backfill.control import CONTROL, ControlTable
from tailrace.backfill.admission import epoch_key
from tailrace.backfill.fingerprints.lock import meanings
from tailrace.backfill.generations import Generation, State, adopted, created, interrupt
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.tagged_json import loads
from tailrace.testing import event as stream
from tailrace.testing import history
from tests.api_client import call, send
from tests.pipelines.versions import pipeline
from tests.unit.aws.conftest import Cloud

MEANINGS = meanings(pipeline)
OLD = created("sales", 1, MEANINGS["sales", 1])
BUILDING = Generation("sales", 2, State.BUILDING, MEANINGS["sales", 2], epoch=1)
NEW = replace(BUILDING, state=State.LIVE, verified=True)
DAYS = adopted("sale_days", 1, MEANINGS["sale_days", 1])

ROUTES = {"rows": "shop=a", "top": "shop=a&by=orders", "groups": "order=key"}


@pytest.fixture(autouse=True)
def _begin_anew(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the functions begin anew, as their tables do."""
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.versions:pipeline")
    for stage in (app.stage, aggregate_stage):
        stage.cache_clear()
    orders = [("1", "a", 10, True), ("2", "a", 4, False), ("3", "b", 7, True)]
    items = [
        (key, {"shop": shop, "placed": "2024-03-05", "amount": amount, "paid": paid})
        for key, shop, amount, paid in orders
    ]
    aggregate(stream(history("orders", items), shard=None), None)
    _move_to_epoch(cloud, NEW)
    # each test writes its own control rows, in place of those that the stage has adopted
    cloud.dynamodb.delete_item(TableName="aggregates", Key=encode_item({"pk": CONTROL, "sk": "-"}))
    yield
    for stage in (app.stage, aggregate_stage):
        stage.cache_clear()


def _rows(cloud: Cloud) -> list[dict[str, Any]]:
    return [decode_item(row) for row in cloud.dynamodb.scan(TableName="aggregates", ConsistentRead=True)["Items"]]


def _move_to_epoch(cloud: Cloud, generation: Generation) -> None:
    """Give the rows of a generation the keys of its epoch, as a build writes them."""
    name = f"{generation.aggregate}@{generation.version}"
    moved = [row for row in _rows(cloud) if name in (row["pk"].split("#")[0], row["pk"].split("#")[-1])]
    assert len(moved) == 5
    for row in moved:
        key = {"pk": row["pk"], "sk": row["sk"]}
        cloud.dynamodb.delete_item(TableName="aggregates", Key=encode_item(key))
        put(cloud, row | {"pk": epoch_key(row["pk"], generation)})


def put(cloud: Cloud, row: dict[str, Any]) -> None:
    cloud.dynamodb.put_item(TableName="aggregates", Item=encode_item(row))


def control(cloud: Cloud, *generations: Generation, pointer: Generation | None = None) -> None:
    """Write the control rows, and let readers notice at once."""
    table = ControlTable(cloud.dynamodb, "aggregates")
    assert table.create(generations, since_creation=True)
    if pointer is not None:
        assert table.show(pointer)
    app.stage.cache_clear()


def get(what: str, query: str = "", accept: str = "application/json") -> tuple[dict[str, Any], Any]:
    """Return the headers and the document of an answer."""
    answer = send("GET", f"/aggregates/{what}", None, query, accept=accept)
    assert answer["statusCode"] == 200, answer
    return answer["headers"], loads(answer["body"]) if accept == "application/json" else answer["body"]


def test_readers_see_the_generation_of_the_pointer_in_its_epoch(cloud: Cloud) -> None:
    control(cloud, OLD, NEW, DAYS, pointer=NEW)
    _, page = get("sales/rows", "shop=a")
    assert page["version"] == 2
    assert [(row["paid"], row["orders"], row["revenue"]) for row in page["rows"]] == [(False, 1, 0), (True, 1, 10)]
    assert page["generation"] == {"version": 2, "state": "live", "exact": True, "reason": None}
    _, ranking = get("sales/top", "shop=a&by=revenue")
    assert [row["revenue"] for row in ranking["rows"]] == [10, 0]
    _, groups = get("sales/groups", "order=key")
    assert groups["groups"] == [{"value": "a", "items": 2}, {"value": "b", "items": 1}]
    assert groups["generation"] == page["generation"]


def test_readers_see_the_old_generation_until_the_pointer_moves(cloud: Cloud) -> None:
    control(cloud, OLD, BUILDING, DAYS, pointer=OLD)
    _, page = get("sales/rows", "shop=a")
    assert (page["version"], [(row["orders"], row["cheapest"]) for row in page["rows"]]) == (1, [(2, 4)])
    assert ControlTable(cloud.dynamodb, "aggregates").replace(BUILDING, NEW, show=True)
    app.stage.cache_clear()
    assert get("sales/rows", "shop=a")[1]["version"] == 2


@pytest.mark.parametrize("form", ["application/json", "text/csv", "application/x-ndjson"])
@pytest.mark.parametrize("route", ["rows", "top"])
def test_every_form_has_the_generation_in_its_header(cloud: Cloud, route: str, form: str) -> None:
    control(cloud, interrupt(OLD, 'code "x" ran'), DAYS)
    headers, body = get(f"sales/{route}", ROUTES[route], form)
    assert headers["Tailrace-Generation"] == r'version=1, state=interrupted, exact=?0;reason="code \"x\" ran"'
    if form == "application/json":
        told = {"version": 1, "state": "interrupted", "exact": False, "reason": 'code "x" ran'}
        assert body["generation"] == told


def test_an_exact_generation_says_so_in_its_header(cloud: Cloud) -> None:
    control(cloud, OLD, DAYS)
    for route, query in ROUTES.items():
        assert get(f"sales/{route}", query)[0]["Tailrace-Generation"] == "version=1, state=live, exact=?1"
    headers, page = get("sale_days/rows", "day=2024-03-05")
    assert page["generation"]["exact"] is False
    assert 'exact=?0;reason="not verified: run `tailrace verify sale_days`"' in headers["Tailrace-Generation"]


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_not_built_is_refused_with_what_to_do(
    cloud: Cloud, route: str, caplog: pytest.LogCaptureFixture
) -> None:
    control(cloud, DAYS)
    answer = send("GET", f"/aggregates/sales/{route}", None, ROUTES[route])
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "10")
    assert problem["type"] == "urn:problem-type:tailrace:not-built"
    assert problem["detail"] == "sales@2 is not built: run `tailrace rebuild sales`"
    assert "progress" not in problem
    assert "an aggregate that is not built" in caplog.text  # where the alarm's description sends its reader


def test_a_build_under_way_is_refused_with_its_progress(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.versions:without_old")
    job = {"kind": "build", "state": "running", "targets": ["sales@2"], "phase": "base", "done": 21, "total": 50}
    put(cloud, {"pk": "~jobs", "sk": "2026-03-01"} | job)
    control(cloud, OLD, BUILDING, DAYS, pointer=OLD)
    status, problem = call("GET", "/aggregates/sales/rows", None, "shop=a")
    assert (status, problem["progress"]) == (503, Decimal("0.42"))
    text = "sales@1 is no longer in the definition, and sales@2 is being built, 42% done"
    assert problem["detail"] == text
    # the other aggregates are read as before
    assert get("sale_days/rows", "day=2024-03-05")[1]["rows"]
    (listed, _) = call("GET", "/aggregates")[1]["aggregates"]
    assert (listed["version"], listed["shown"]) == (2, None)
    assert listed["generations"] == [
        {"version": 2, "state": "building", "exact": False, "reason": None, "progress": Decimal("0.42")},
        {"version": 1, "state": "live", "exact": True, "reason": None},
    ]


def test_aggregates_are_listed_once_as_what_is_shown(cloud: Cloud) -> None:
    control(cloud, OLD, BUILDING, DAYS, pointer=OLD)
    (sales, days) = call("GET", "/aggregates")[1]["aggregates"]
    assert (sales["name"], sales["version"], sales["shown"]) == ("sales", 1, 1)
    assert [group["name"] for group in sales["groups"]] == ["shop", "day"]
    assert [(one["version"], one["state"]) for one in sales["generations"]] == [(2, "building"), (1, "live")]
    assert sales["generations"][0]["progress"] is None
    assert (days["name"], [one["exact"] for one in days["generations"]]) == ("sale_days", [False])


def test_an_older_stack_is_read_as_before_and_nothing_is_claimed() -> None:
    headers, page = get("sale_days/rows", "day=2024-03-05")
    assert [row["orders"] for row in page["rows"]] == [2, 1]
    assert (page["generation"]["state"], page["generation"]["exact"]) == ("unknown", False)
    assert headers["Tailrace-Generation"].startswith("version=1, state=unknown, exact=?0;reason=")


def test_a_cursor_ends_with_its_generation(cloud: Cloud) -> None:
    control(cloud, OLD, NEW, DAYS, pointer=NEW)
    for what, query in (("rows", "shop=a&limit=1"), ("groups", "order=key&n=1")):
        cursor = get(f"sales/{what}", query)[1]["cursor"]
        assert get(f"sales/{what}", f"{query}&cursor={cursor}")[1]
        ControlTable(cloud.dynamodb, "aggregates").show(OLD)
        app.stage.cache_clear()
        answer = send("GET", f"/aggregates/sales/{what}", None, f"{query}&cursor={cursor}")
        assert (answer["statusCode"], "begin again" in answer["body"]) == (400, True)
        ControlTable(cloud.dynamodb, "aggregates").show(NEW)
        app.stage.cache_clear()


def test_rows_below_zero_are_not_shown(cloud: Cloud) -> None:
    control(cloud, OLD, DAYS)
    below = next(row for row in _rows(cloud) if row["pk"] == "sales@1#b") | {"~n": -1, "orders": -1, "cheapest": 1}
    put(cloud, below | {"sk": "2024-03-04"})
    put(cloud, {"pk": "~groups#sales@1", "sk": "c", "shop": "c", "~n": -1})
    assert [row["orders"] for row in get("sales/rows", "shop=b")[1]["rows"]] == [1]
    assert [row["orders"] for row in get("sales/top", "shop=b&by=orders&order=asc")[1]["rows"]] == [1]
    (month,) = get("sales/rows", "shop=b&interval=month")[1]["rows"]
    assert (month["orders"], month["cheapest"]) == (1, 7)
    for order in ("key", "items"):
        assert [one["value"] for one in get("sales/groups", f"order={order}")[1]["groups"]] == ["a", "b"]


def test_the_document_describes_the_version_that_is_shown(cloud: Cloud) -> None:
    for pointer, measures in ((OLD, "cheapest"), (NEW, "revenue")):
        if pointer is OLD:
            control(cloud, OLD, NEW, DAYS, pointer=OLD)
        else:
            ControlTable(cloud.dynamodb, "aggregates").show(NEW)
            app.stage.cache_clear()
        document = call("GET", "/openapi.json")[1]
        assert measures in document["components"]["schemas"]["sales-row"]["properties"]
        schema = document["paths"]["/aggregates/sales/rows"]["get"]["responses"]["200"]["content"]["application/json"]
        assert schema["schema"]["properties"]["version"] == {"const": pointer.version}
        assert len([tag for tag in document["tags"] if tag["name"] == "sales rows"]) == 1
