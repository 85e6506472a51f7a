"""A stack that only reads its items table: every entrance refuses, says why, and loses nothing."""

from typing import Any

import pytest

import functions.ingest.app
import functions.load.app
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.tagged_json import loads
from tailrace.http.openapi.document import build_document, security
from tests.api_client import call, item_path, problem
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.intake_messages import DONE, batch, put
from tests.unit.aws.stages.load.uploads import load

ORDER: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z", "amount": 1}
WRITES = ("put", "patch", "post", "delete")


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Return the cloud of a stack whose write entrances are off; it holds one item."""
    assert call("PUT", item_path("old"), ORDER)[0] == 201
    monkeypatch.setenv("WRITE_ENTRANCES", "off")
    return cloud


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", item_path("1"), ORDER),
        ("PUT", item_path("1"), "{"),
        ("PATCH", item_path("old"), {"paid": True}),
        ("PATCH", item_path("missing"), {"paid": True}),
        ("DELETE", item_path("old"), None),
        ("POST", "/collections/orders/items", {"items": [{"id": "1", "item": ORDER}]}),
    ],
)
def test_the_api_refuses_every_write_and_changes_nothing(cloud: Cloud, method: str, path: str, body: Any) -> None:
    before = cloud.items()
    assert problem(method, path, body) == (403, "writes-off")
    _, document = call(method, path, body)
    assert "WriteEntrances=on" in document["detail"]
    assert cloud.items() == before


def test_the_api_still_reads(cloud: Cloud) -> None:
    assert call("GET", item_path("old"))[0] == 200
    assert problem("POST", "/health") == (405, "method-not-allowed")


def test_the_openapi_document_has_no_operation_that_writes(cloud: Cloud) -> None:
    served = call("GET", "/openapi.json")[1]
    assert not [path for path, item in served["paths"].items() if item.keys() & set(WRITES)]
    whole = build_document(load_pipeline("tests.pipelines.orders:pipeline"), security(None))
    assert served["paths"].keys() == whole["paths"].keys()


def test_a_message_goes_to_quarantine_with_the_reason(cloud: Cloud) -> None:
    before = cloud.items()
    assert functions.ingest.app.handler(batch(put("1", ORDER), "{"), None) == DONE
    assert cloud.items() == before
    kept = [loads(body.decode()) for body in cloud.objects("the-failures", "quarantine/").values()]
    assert len(kept) == 2
    assert all("WriteEntrances=on" in one["violations"][0]["message"] for one in kept)
    assert [one["item"]["item"] for one in kept if one["id"] == "1"] == [ORDER]


def test_a_file_is_refused_in_its_receipt(cloud: Cloud) -> None:
    before = cloud.items()
    receipt = load(cloud, "inbox/orders/x.jsonl", b'{"id": "1", "item": {"shop": "a"}}\n')
    assert "WriteEntrances=on" in str(receipt["failure"])
    assert receipt["accepted"] == 0
    assert cloud.items() == before


def test_the_health_says_so(cloud: Cloud) -> None:
    status, document = call("GET", "/health")
    assert (status, document["write_entrances"]) == (200, "off")
