"""load: each upload is loaded once, in whichever order, how often and how late its notifications arrive."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.load.app import handler
from tailrace.aws.monitoring.progress import ProgressReader
from tailrace.aws.runtime.object_reader import StoredVersion
from tailrace.aws.runtime.telemetry import logger
from tailrace.aws.stages.checkpoints import Checkpoints
from tailrace.aws.stages.load import Loader
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Permanent
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.load.uploads import GOOD, Context, lines, upload


def test_a_file_that_is_told_again_is_not_loaded_again_and_a_new_upload_is(cloud: Cloud) -> None:
    event = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD))
    handler(event, Context())
    cloud.dynamodb.delete_item(TableName="items", Key={"pk": {"S": "orders#1"}})
    assert handler(event, Context()) == []
    assert cloud.items() == {}
    assert len(handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer="0B"), Context())) == 1
    assert set(cloud.items()) == {"orders#1"}


@pytest.mark.parametrize(
    ("loaded", "late"),
    [
        ("0B", "0A"),
        ("0B1", "0A"),
        ("0A01", "0A"),
        ("b", "0A"),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E4"),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E"),
        ("0055AED6DCD90281E50", "0055AED6DCD90281E5"),
        ("a0", "9FFFFF"),
        ("0A", "0a"),
    ],
)
def test_a_late_notification_of_an_earlier_upload_is_not_loaded(cloud: Cloud, loaded: str, late: str) -> None:
    """Items may have changed since the later upload was loaded. Sequencers compare as left-aligned hexadecimal."""
    assert len(handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer=loaded), Context())) == 1
    cloud.dynamodb.delete_item(TableName="items", Key={"pk": {"S": "orders#1"}})
    assert handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer=late), Context()) == []
    assert cloud.items() == {}


def test_with_tracing_each_line_of_the_log_has_the_key_of_its_own_file(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACING", "Active")
    first = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD))
    for event in (first, upload(cloud, "inbox/orders/y.jsonl", lines(GOOD)), first):
        handler(event, Context())
    logger().remove_keys(["correlation_id"])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["message"], line["correlation_id"]) for line in told if "message" in line] == [
        ("items written", "inbox/orders/x.jsonl"),
        ("items written", "inbox/orders/y.jsonl"),
        ("this upload or a later one was loaded before", "inbox/orders/x.jsonl"),
    ]


@pytest.mark.parametrize("kind", ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put"])
def test_a_notification_of_anything_but_an_upload_loads_nothing(cloud: Cloud, kind: str) -> None:
    """It may arrive after the next upload to the same key, with a sequencer between the two."""
    event = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer="0B")
    event["Records"][0] |= {"eventName": kind}
    assert handler(event, Context()) == []
    event["Records"][0] |= {"eventName": "ObjectCreated:CompleteMultipartUpload"}
    assert len(handler(event, Context())) == 1


@pytest.mark.parametrize(
    ("loaded", "newer"), [("0A", "0B"), ("0A", "0A01"), ("9FFFFF", "a0"), ("0A", "b"), ("09", "0a")]
)
def test_a_later_upload_is_loaded(cloud: Cloud, loaded: str, newer: str) -> None:
    handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer=loaded), Context())
    handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"lines": 2}), sequencer=newer), Context())
    assert cloud.items()["orders#1"]["lines"] == 2


def test_a_late_notification_does_not_load_the_file_that_has_replaced_its_own(cloud: Cloud) -> None:
    """Whichever of the two comes first: the later upload is loaded once, by its own notification."""
    earlier = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"lines": 1}), sequencer="0A")
    later = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"lines": 2}), sequencer="0B")
    assert handler(earlier, Context()) == []
    assert cloud.items() == {}
    (receipt,) = handler(later, Context())
    cloud.dynamodb.delete_item(TableName="items", Key={"pk": {"S": "orders#1"}})
    for late in (earlier, later, earlier):
        assert handler(late, Context()) == []
    assert cloud.items() == {}
    assert [loads(body) for body in cloud.objects("the-archive", "receipts/").values()] == [receipt]


def test_one_notification_of_two_uploads_loads_the_later_one(cloud: Cloud) -> None:
    uploads = [upload(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"lines": n}), f"0{n}")["Records"] for n in (2, 1)]
    event = {"Records": [record for records in reversed(uploads) for record in records]}
    assert [receipt["sequencer"] for receipt in handler(event, Context())] == ["01"]
    assert cloud.items()["orders#1"]["lines"] == 1


def replace_while_read(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key: str, body: bytes, sequencer: str
) -> list[dict[str, Any]]:
    """Replace a file when its first lines are written, and return the notifications of the second upload."""
    told: list[dict[str, Any]] = []
    flush = Loader._flush

    def replacing(self: Loader, work: Any) -> None:
        flush(self, work)
        if not told:
            told.append(upload(cloud, key, body, sequencer))

    monkeypatch.setattr(Loader, "_flush", replacing)
    return told


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_is_replaced_while_it_is_read_is_left_to_its_new_upload(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], zipped: bool
) -> None:
    key = "inbox/orders/x.jsonl" + (".gz" if zipped else "")
    old = b"".join(lines(GOOD | {"id": str(n), "lines": 1}) + b"[1]\n" * (n == 600) for n in range(1200))
    new = lines(*(GOOD | {"id": str(n), "lines": 2} for n in range(3)))
    event = upload(cloud, key, gzip.compress(old) if zipped else old, "0A")
    later = replace_while_read(cloud, monkeypatch, key, gzip.compress(new) if zipped else new, "0B")
    (receipt,) = handler(event, Context())
    assert (receipt["accepted"], receipt["rejected"], len(cloud.quarantine())) == (500, 1, 1)
    assert "replaced" in receipt["failure"]
    assert "FilesRefused" not in capsys.readouterr().out
    assert ProgressReader(cloud.dynamodb, "progress").counts_of("load", datetime.now(UTC)).failed == 0
    (second,) = handler(later[0], Context())
    assert (second["accepted"], second.get("failure")) == (3, None)
    assert {item["lines"] for key, item in cloud.items().items() if int(key[7:]) < 3} == {2}


def test_a_file_that_is_deleted_while_it_is_read_is_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rest is never loaded, unlike that of a replaced file."""
    flush = Loader._flush

    def deleting(self: Loader, work: Any) -> None:
        flush(self, work)
        cloud.s3.delete_object(Bucket="the-archive", Key="inbox/orders/x.jsonl")

    monkeypatch.setattr(Loader, "_flush", deleting)
    body = lines(*(GOOD | {"id": str(n)} for n in range(1200)))
    (receipt,) = handler(upload(cloud, "inbox/orders/x.jsonl", body), Context())
    assert (receipt["accepted"], receipt["failure"]) == (500, "the file was deleted while it was read: upload it again")
    assert '"FilesRefused":[1.0]' in capsys.readouterr().out
    assert ProgressReader(cloud.dynamodb, "progress").counts_of("load", datetime.now(UTC)).failed == 1


def test_a_replaced_file_that_finishes_late_keeps_the_receipt_of_the_later_upload(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = Loader._flush
    told: list[bool] = []

    def overtaken(self: Loader, work: Any) -> None:
        flush(self, work)
        if not told:
            told.append(True)
            handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"lines": 2}), "0B"), Context())

    monkeypatch.setattr(Loader, "_flush", overtaken)
    monkeypatch.setattr(Checkpoints, "_rest_of_lease_s", lambda _self, _written_at: 0)  # so the test need not wait
    body = b"".join(lines(GOOD | {"id": str(n), "lines": 1}) for n in range(600, 0, -1))
    assert handler(upload(cloud, "inbox/orders/x.jsonl", body, "0A"), Context()) == []
    assert cloud.items()["orders#1"]["lines"] == 2
    (receipt,) = cloud.objects("the-archive", "receipts/").values()
    assert loads(receipt)["sequencer"] == "0B"


def test_a_file_that_cannot_be_read_holds_up_no_other_of_its_notification(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [upload(cloud, f"inbox/orders/{name}.jsonl", lines(GOOD | {"id": name})) for name in "ab"]
    find = StoredVersion.find

    def denied(s3: Any, bucket: str, key: str) -> StoredVersion | None:
        if key.endswith("a.jsonl"):
            raise Permanent("HeadObject: AccessDenied (403)")
        return find(s3, bucket, key)

    monkeypatch.setattr(StoredVersion, "find", denied)
    with pytest.raises(Permanent, match="AccessDenied"):
        handler({"Records": [record for event in events for record in event["Records"]]}, Context())
    assert set(cloud.items()) == {"orders#b"}
    assert list(cloud.objects("the-archive", "receipts/")) == ["receipts/orders/b.jsonl.json"]


def test_notifications_that_are_no_files_are_passed_over(cloud: Cloud) -> None:
    assert handler({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "the-archive"}, Context()) == []
    assert handler(upload(cloud, "inbox/orders/", b""), Context()) == []


def test_a_file_that_was_deleted_before_it_was_loaded_gets_a_receipt_that_says_so(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier, later = (upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer=one) for one in ("0A", "0B"))
    cloud.s3.delete_object(Bucket="the-archive", Key="inbox/orders/x.jsonl")
    for notification in (later, earlier, later):  # the last word is that on the later upload, told once
        handler(notification, Context())
    (receipt,) = [loads(body) for body in cloud.objects("the-archive", "receipts/").values()]
    assert (receipt["sequencer"], receipt["accepted"]) == ("0B", 0)
    assert receipt["failure"] == "the file was deleted before it was loaded: upload it again"
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["FilesRefused"] for one in told if "FilesRefused" in one] == [[1.0]]
    (again,) = handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer="0C"), Context())
    assert (again["accepted"], again.get("failure")) == (1, None)
