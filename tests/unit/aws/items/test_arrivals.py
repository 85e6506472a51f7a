"""What an item gets when it comes in: a received-at stamp, an expiry from a field, an id; the same at each entrance."""

import json
from datetime import datetime
from typing import Any

import pytest

from functions.ingest.app import handler as ingest
from tailrace import Collection, DefinitionError, days
from tailrace.definition.lifetimes import Lifetime
from tailrace.errors import InvalidItem
from tests.api_client import call, item_path, request, send
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.intake_messages import DONE, batch, patch, put
from tests.unit.aws.stages.load.uploads import load

PLACED = 1_700_000_000_123
DAY = 86_400
EXPIRES = PLACED // 1000 + 30 * DAY
ORDER = {"shop": "a", "number": 7, "placed": PLACED}
SENT = "2023-11-14T22:13:20.000Z"
"""The messages of these tests are sent at 1,700,000,000 s."""


@pytest.fixture(autouse=True)
def pipeline(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.arriving:pipeline")


def stored(cloud: Cloud) -> Any:
    (row,) = cloud.items().values()
    return row


def test_an_item_put_by_the_api_is_stamped_and_expires(cloud: Cloud) -> None:
    given = request("PUT", item_path("1"), ORDER)
    given["requestContext"]["timeEpoch"] = 1_730_000_000_250
    from functions.api.app import handler  # noqa: PLC0415 - after the environment

    answer = handler(given, None)
    stamp = "2024-10-27T03:33:20.250Z"
    assert json.loads(answer["body"]) == ORDER | {"received_at": stamp}
    assert stored(cloud) == ORDER | {"received_at": stamp, "expires_at": EXPIRES}
    assert send("GET", item_path("1"))["headers"]["ETag"] == answer["headers"]["ETag"]


def test_without_a_time_from_the_gateway_it_is_now(cloud: Cloud) -> None:
    call("PUT", item_path("1"), ORDER)
    stamp = datetime.fromisoformat(stored(cloud)["received_at"])
    assert abs((datetime.now(stamp.tzinfo) - stamp).total_seconds()) < 60


def test_what_an_item_brings_is_kept(cloud: Cloud) -> None:
    own = ORDER | {"received_at": "2020-01-01T00:00:00Z"}
    call("PUT", item_path("1"), own, "expires_at=1900000000")
    assert stored(cloud) == own | {"expires_at": 1_900_000_000}


@pytest.mark.parametrize(
    ("placed", "expires"),
    [
        (4_102_444_800_000, 4_102_444_800 + 30 * DAY),  # 2100
        (100_000_000_000_000, 100_000_000_000 + 30 * DAY),  # 5138
        (253_399_622_399_999, 253_402_214_399),  # 31 days before the end of the calendar
    ],
)
def test_an_item_may_expire_in_any_year(cloud: Cloud, placed: int, expires: int) -> None:
    assert call("PUT", item_path("1"), ORDER | {"placed": placed})[0] == 201
    assert stored(cloud)["expires_at"] == expires
    assert call("GET", item_path("1"))[1]["expires_at"] == expires
    assert call("PUT", item_path("1"), ORDER, f"expires_at={expires}")[0] == 200


def test_an_expiry_after_the_calendar_names_the_field_that_it_is_counted_from(cloud: Cloud) -> None:
    status, problem = call("PUT", item_path("1"), ORDER | {"placed": 253_399_708_800_000})
    assert (status, problem["violations"][0]["pointer"]) == (422, "/placed")
    assert "beyond the year 9999" in problem["violations"][0]["message"]
    assert call("PUT", item_path("1"), ORDER, "expires_at=253402300800")[0] == 422


def test_the_last_microsecond_of_a_second_expires_in_it() -> None:
    late = Collection("late", schema={}, keep=days(1), keep_from="until").lifetime
    assert late is not None
    assert late.expires_at({"until": "9990-12-30T23:59:59.999999Z"}) == 253_118_303_999


def test_an_expiry_after_the_calendar_of_utc_names_the_field_as_well() -> None:
    western = Collection("c", schema={}, keep=days(1), keep_from="until", keep_tz="America/New_York").lifetime
    assert western is not None
    assert western.expires_at({"until": "9999-12-30T18:59:59"}) == 253_402_300_799
    with pytest.raises(InvalidItem, match="/until: .*beyond the year 9999"):
        western.expires_at({"until": "9999-12-30T19:00:00"})


def test_a_batch_is_stamped_and_expires(cloud: Cloud) -> None:
    status, body = call("POST", "/collections/orders/items", {"items": [{"id": "1", "item": ORDER}]})
    assert (status, body["results"][0]["status"]) == (207, 200)
    assert stored(cloud)["expires_at"] == EXPIRES
    assert "received_at" in stored(cloud)
    assert send("GET", item_path("1"))["headers"]["ETag"] == body["results"][0]["etag"]


def test_a_patch_moves_the_expiry_with_its_field_and_keeps_the_stamp(cloud: Cloud) -> None:
    ingest(batch(put("1", ORDER), patch("1", {"paid": True})), None)
    assert stored(cloud) == ORDER | {"paid": True, "received_at": SENT, "expires_at": EXPIRES}
    ingest(batch(patch("1", {"placed": PLACED + 1000 * DAY})), None)
    assert stored(cloud)["expires_at"] == EXPIRES + DAY
    ingest(batch(patch("1", {"placed": None})), None)
    assert "expires_at" not in stored(cloud)
    assert stored(cloud)["received_at"] == SENT


def test_an_expiry_that_was_given_stays_through_patches(cloud: Cloud) -> None:
    ingest(batch(put("1", ORDER, expires_at=1_900_000_000), patch("1", {"placed": PLACED + 1000 * DAY})), None)
    assert stored(cloud)["expires_at"] == 1_900_000_000


@pytest.mark.parametrize(
    ("placed", "expected"),
    [
        (PLACED, EXPIRES),
        ("2023-11-14T23:13:20", EXPIRES),  # local in Berlin
        ("2023-11-14T22:13:20Z", EXPIRES),
        (None, None),
        (-(10**12), 0),
    ],
)
def test_the_expiry_is_counted_from_any_time(placed: Any, expected: int | None, cloud: Cloud) -> None:
    ingest(batch(put("1", ORDER | {"placed": placed})), None)
    assert stored(cloud).get("expires_at") == expected


@pytest.mark.parametrize("placed", ["soon", 10**30])
def test_a_field_that_is_no_time_is_refused_with_its_place(placed: Any, cloud: Cloud) -> None:
    status, document = call("PUT", item_path("1"), ORDER | {"placed": placed})
    assert (status, document["violations"][0]["pointer"]) == (422, "/placed")
    assert document["violations"][0]["keyword"] == "time"
    ingest(batch(put("1", ORDER), patch("1", {"placed": placed})), None)
    assert stored(cloud)["placed"] == PLACED
    assert [report["violations"][0]["keyword"] for report in cloud.quarantine()] == ["time"]


def test_a_message_that_comes_again_keeps_its_stamp(cloud: Cloud) -> None:
    first = batch(put("1", ORDER, if_absent=True))
    assert ingest(first, None) == DONE
    assert ingest(first, None) == DONE
    assert cloud.quarantine() == []
    assert stored(cloud)["received_at"] == SENT


def test_a_message_without_an_id_gets_it_from_the_fields(cloud: Cloud) -> None:
    message = put("1", ORDER)
    del message["id"]
    assert ingest(batch(message, message), None) == DONE
    assert cloud.items().keys() == {"orders#a/7"}
    removed: dict[str, Any] = {"op": "delete", "collection": "orders"}
    changed = message | {"op": "patch", "patch": {}}
    del changed["item"]
    without = message | {"item": {"shop": "a"}}
    nameless = message | {"collection": "visits", "item": {"n": 1}}
    assert ingest(batch(removed, changed, without, nameless, put("", ORDER)), None) == DONE
    told = sorted(report["violations"][0]["message"] for report in cloud.quarantine())
    assert told == [
        "id is empty",
        "id is missing or not a string",
        "id is missing or not a string",
        "id must be a non-empty string or an integer, or the collection's id_from makes one",
        "the id is made from 'number', which must be a non-empty text, a number or a boolean",
    ]


def test_the_lines_of_a_file_are_stamped_with_its_upload(cloud: Cloud) -> None:
    load(cloud, "inbox/orders/a.jsonl", json.dumps(ORDER).encode())
    row = cloud.items()["orders#a/7"]
    assert row["expires_at"] == EXPIRES
    assert row["received_at"] == "2024-01-01T00:00:00.000Z"


def test_an_expiry_may_be_counted_from_the_stamp(cloud: Cloud) -> None:
    ingest(batch({"op": "put", "collection": "visits", "id": "1", "item": {}}), None)
    assert stored(cloud) == stored(cloud) | {"at": SENT, "expires_at": 1_700_000_000 + DAY}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"keep": 30, "keep_from": "placed"}, "keep= must be a duration such as days"),
        ({"keep": days(30)}, "keep= needs keep_from="),
        ({"keep_from": "placed"}, "keep_from= needs keep="),
        ({"keep": days(30), "keep_from": "placed", "keep_unit": "h"}, "the unit of times must be one of s, ms"),
        ({"keep": days(30), "keep_from": "placed", "keep_tz": "Mars"}, "unknown time zone"),
        ({"keep": days(30), "keep_from": "plced"}, "keep_from= names 'plced', which must be a number or a string in"),
        ({"keep": days(30), "keep_from": "paid"}, "keep_from= names 'paid'"),
        ({"received": "paid"}, "received= names 'paid', which must be a string in the schema"),
        ({"received": ""}, "a field name must be a non-empty string"),
        (
            {"received": "expires_at", "schema": {}},
            "received=: 'expires_at' is the table's TTL attribute, not a field",
        ),
    ],
)
def test_mistakes_are_refused_with_the_definition(arguments: dict[str, Any], expected: str) -> None:
    schema = {"properties": {"placed": {"type": "string"}, "paid": {"type": "boolean"}}, "additionalProperties": False}
    with pytest.raises(DefinitionError, match=expected):
        Collection("orders", **{"schema": schema} | arguments)


def test_a_collection_without_keep_has_no_lifetime() -> None:
    assert Collection("orders", schema={}).lifetime is None
    assert isinstance(Collection("orders", schema={}, keep=days(1), keep_from="a.b").lifetime, Lifetime)
