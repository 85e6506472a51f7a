"""keep= with ttl= in a table with keys of its own: the same item, expiry and stamp at each entrance, and its end."""

import json
from typing import Any

import pytest

from functions.ingest.app import handler as ingest
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import encode_item
from tailrace.testing import record, rows
from tests.api_client import call, send
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.intake_messages import DONE, batch, patch, put
from tests.unit.aws.stages.load.uploads import load

PIPELINE = "tests.pipelines.kept:pipeline"
PLACED = 1_704_067_200
DAY = 86_400
ID = "north/2024-01-01/7"
IN_KEY = {"shop": "north", "placed": "2024-01-01", "id": "7"}
GIVEN = {"amount": 5, "expires_at": "a field like any other"}
ROW = {"shop": "SHOP#north", "order": "2024-01-01#7", "kind": "order", **GIVEN}
PATH = f"/collections/orders/items/{ID}"


@pytest.fixture(autouse=True)
def table(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", PIPELINE)
    cloud.dynamodb.delete_table(TableName="items")
    cloud.dynamodb.create_table(
        TableName="items",
        KeySchema=[
            {"AttributeName": "shop", "KeyType": "HASH"},
            {"AttributeName": "order", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("shop", "order")],
        BillingMode="PAY_PER_REQUEST",
    )


def stored(cloud: Cloud) -> Any:
    from tailrace.encoding.dynamodb import decode_item  # noqa: PLC0415 - as in the fixture

    (row,) = cloud.dynamodb.scan(TableName="items", ConsistentRead=True)["Items"]
    return {name: value for name, value in decode_item(row).items() if name not in ("~etag", "came")}


def by_put(_cloud: Cloud, item: dict[str, Any]) -> None:
    assert call("PUT", PATH, item)[0] == 201


def by_batch(_cloud: Cloud, item: dict[str, Any]) -> None:
    _, body = call("POST", "/collections/orders/items", {"items": [{"id": ID, "item": item}]})
    assert body["results"][0]["status"] == 200


def by_message(_cloud: Cloud, item: dict[str, Any]) -> None:
    assert ingest(batch(put(ID, item)), None) == DONE


def by_message_without_id(_cloud: Cloud, item: dict[str, Any]) -> None:
    message = put(ID, item | IN_KEY)
    del message["id"]
    assert ingest(batch(message), None) == DONE


def by_line(cloud: Cloud, item: dict[str, Any]) -> None:
    assert load(cloud, "inbox/orders/a.jsonl", json.dumps(item | IN_KEY).encode())["accepted"] == 1


def by_csv(cloud: Cloud, item: dict[str, Any]) -> None:
    columns = item | IN_KEY
    body = ",".join(columns) + "\n" + ",".join(map(str, columns.values())) + "\n"
    assert load(cloud, "inbox/orders/a.csv", body.encode())["accepted"] == 1


ENTRANCES = (by_put, by_batch, by_message, by_message_without_id, by_line, by_csv)


@pytest.mark.parametrize("enter", ENTRANCES)
def test_an_item_ends_after_the_time_in_its_key(enter: Any, cloud: Cloud) -> None:
    enter(cloud, GIVEN)
    assert stored(cloud) == ROW | {"ends": PLACED + 30 * DAY}
    assert cloud.quarantine() == []
    status, body = call("GET", PATH)
    came = body["item"].pop("came")
    assert came.endswith("Z")
    assert (status, body) == (
        200,
        {"id": ID, "item": IN_KEY | GIVEN | {"kind": "order"}, "expires_at": PLACED + 30 * DAY},
    )


@pytest.mark.parametrize("name", ["order", "ends", "aws:rep:updatetime"])
@pytest.mark.parametrize("enter", ["put", "batch", "message", "line"])
def test_a_field_named_like_an_attribute_of_the_table_is_refused_everywhere(
    enter: str, name: str, cloud: Cloud
) -> None:
    item = GIVEN | {name: "x"}
    match enter:
        case "put":
            status, answer = call("PUT", PATH, item)
            assert (status, answer["violations"][0]["pointer"]) == (422, f"/{name}")
        case "batch":
            _, body = call("POST", "/collections/orders/items", {"items": [{"id": ID, "item": item}]})
            assert body["results"][0]["status"] == 422
        case "message":
            assert ingest(batch(put(ID, item)), None) == DONE
            (report,) = cloud.quarantine()
            assert "not a field: rename it" in report["violations"][0]["message"]
        case _ if name != "ends":
            assert load(cloud, "inbox/orders/a.jsonl", json.dumps(item | IN_KEY).encode())["rejected"] == 1
    assert cloud.dynamodb.scan(TableName="items")["Items"] == []


def test_a_line_gives_its_expiry_under_the_tables_name_where_expires_at_is_a_field(cloud: Cloud) -> None:
    load(cloud, "inbox/orders/a.jsonl", json.dumps(GIVEN | IN_KEY | {"ends": 1_900_000_000}).encode())
    assert stored(cloud) == ROW | {"ends": 1_900_000_000}


def test_a_line_without_such_a_field_gives_it_as_ever(cloud: Cloud) -> None:
    load(cloud, "inbox/visits/a.csv", b"visitor,id,expires_at\nv,007,1900000000\n")
    assert stored(cloud) == {"shop": "VISITOR#v", "order": "007", "ends": 1_900_000_000}


def test_a_given_expiry_stays_and_a_patch_moves_none_that_is_in_the_key(cloud: Cloud) -> None:
    ingest(batch(put(ID, GIVEN, expires_at=1_900_000_000), patch(ID, {"amount": 6})), None)
    assert stored(cloud) == ROW | {"ends": 1_900_000_000, "amount": 6}
    ingest(batch(put(ID, GIVEN), patch(ID, {"amount": 7})), None)
    assert stored(cloud) == ROW | {"ends": PLACED + 30 * DAY, "amount": 7}
    ingest(batch(patch(ID, {"placed": "2024-01-02"})), None)
    (report,) = cloud.quarantine()
    assert report["violations"][0]["pointer"] == "/placed"
    assert send("GET", PATH)["statusCode"] == 200


def test_an_item_of_another_writer_keeps_what_it_has(cloud: Cloud) -> None:
    cloud.dynamodb.put_item(TableName="items", Item=encode_item(ROW | {"ends": "soon"}))
    _, body = call("GET", PATH)
    assert body["expires_at"] == "soon"
    ingest(batch(patch(ID, {"amount": 6})), None)
    assert stored(cloud) == ROW | {"ends": "soon", "amount": 6}


TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
END = PLACED + 30 * DAY


@pytest.mark.parametrize(
    ("ends", "at", "identity", "counted"),
    [
        (END, END, TTL, 1),
        (END, END + 2 * DAY, None, 1),  # TTL in another region, as a global table passes it on
        (END, END, None, 1),
        (END, END - 1, None, 0),
        (END, END - 1, TTL, 1),
        (None, END, None, 0),
        (None, END, TTL, 1),
        ("soon", END, None, 0),
    ],
)
def test_a_deletion_after_the_end_is_an_expiry_and_stays_counted(
    ends: Any, at: int, identity: Any, counted: int
) -> None:
    pipeline = load_pipeline(PIPELINE)
    came = record(1, "orders", (ID, None, GIVEN), pipeline=pipeline)
    gone = record(2, "orders", (ID, GIVEN, None), pipeline=pipeline)
    for image in (came["dynamodb"]["NewImage"], gone["dynamodb"]["OldImage"]):
        image.update({} if ends is None else encode_item({"ends": ends}))
        image.update(
            encode_item({"aws:rep:updateregion": "eu-west-1", "aws:rep:updatetime": 1, "aws:rep:deleting": False})
        )
    gone["dynamodb"]["ApproximateCreationDateTime"] = at
    gone |= {} if identity is None else {"userIdentity": identity}
    found = rows([came, gone], pipeline)["shop_days"]
    assert found == [{"shop": "north", "day": "2024-01-01", "orders": 1}] * counted
