"""catalog: each object of the archive has a row that says what it holds; what is no archive object is left alone."""

import gzip
import hashlib
import json
import tracemalloc
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.archive.app import handler as archive
from functions.catalog.app import handler
from tailrace.aws.runtime.clients import client
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Permanent, Transient
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.archive_messages import NEXT_HOUR, batch
from tests.unit.aws.stages.notifications import created
from tests.unit.outputs.events import event


def rows(cloud: Cloud) -> list[dict[str, Any]]:
    return [decode_item(row) for row in cloud.dynamodb.scan(TableName="catalog", ConsistentRead=True)["Items"]]


def archived(cloud: Cloud, *events: Any) -> list[str]:
    """Archive events and return the keys of their objects."""
    archive(batch(list(events)), None)
    return sorted(cloud.objects("the-archive", "archive/"))


def test_a_row_says_what_lies_in_the_bucket(cloud: Cloud) -> None:
    (key,) = archived(cloud, event(12), event(9), event(3, shard="s#2"), event(4, shard=None))
    handler(created(key), None)
    body = cloud.objects("the-archive")[key]
    (row,) = rows(cloud)
    name = key.rpartition("/")[2].removesuffix(".jsonl.gz")
    assert row == {
        "pk": "orders",
        "sk": f"2024-10-27T00#{name}",
        "collection": "orders",
        "hour": "2024-10-27T00",
        "object": key,
        "count": 4,
        "bytes": len(body),
        "checksum": hashlib.sha256(body).hexdigest(),
        "shards": {"s1": {"first": "9", "last": "12"}, "s#2": {"first": "3", "last": "3"}},
        "first_time": "2024-10-27T00:30:00Z",
        "last_time": "2024-10-27T00:30:00Z",
    }


def test_a_second_notification_changes_nothing(cloud: Cloud) -> None:
    (key,) = archived(cloud, event(1))
    handler(created(key), None)
    first = rows(cloud)
    handler(created(key, key), None)
    assert rows(cloud) == first


def test_a_notification_may_name_several_objects(cloud: Cloud) -> None:
    keys = archived(cloud, event(1), event(2, time=NEXT_HOUR), event(3, type="tailrace.visits.expired"))
    handler(created(*keys), None)
    assert sorted(row["object"] for row in rows(cloud)) == keys


def named(content: bytes, folder: str = "archive/orders/date=2024-10-27/hour=00") -> str:
    return f"{folder}/{hashlib.sha256(content).hexdigest()[:32]}.jsonl.gz"


LINE = json.dumps(event(1)).encode() + b"\n"
GOOD = gzip.compress(LINE, mtime=0)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("archive/notes + more.txt", b"hello"),
        (named(LINE), LINE),
        (named(LINE), GOOD[:-9]),
        (named(LINE), GOOD[:20] + b"\xff\xff" + GOOD[22:]),
        (named(LINE), GOOD + b"garbage"),
        (named(LINE), b""),
        (named(b""), gzip.compress(b"", mtime=0)),
        (named(LINE), gzip.compress(LINE + LINE, mtime=0)),
        (named(LINE), gzip.compress(LINE[:-1], mtime=0)),
        (named(b"{}\n"), gzip.compress(b"{}\n", mtime=0)),
        (named(b"\xff\n"), gzip.compress(b"\xff\n", mtime=0)),
        (named(LINE, "archive/visits/date=2024-10-27/hour=00"), GOOD),
        (named(LINE, "archive/orders/date=2024-10-27/hour=01"), GOOD),
    ],
)
def test_what_is_no_archive_object_is_told_and_left_alone(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], key: str, body: bytes
) -> None:
    (good,) = archived(cloud, event(5))
    cloud.s3.put_object(Bucket="the-archive", Key=key, Body=body)
    handler(created(key, good), None)
    assert [row["object"] for row in rows(cloud)] == [good]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["object"] for line in told if line.get("level") == "ERROR"] == [key]
    assert [line["ObjectsNotCatalogued"] for line in told if "ObjectsNotCatalogued" in line] == [[1.0]]


def test_an_object_that_never_ends_its_line_is_not_kept_in_memory(cloud: Cloud) -> None:
    body = gzip.compress(b" " * 300_000_000, 1)
    cloud.s3.put_object(Bucket="the-archive", Key=named(b""), Body=body)
    tracemalloc.start()
    try:
        handler(created(named(b"")), None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows(cloud) == []
    assert peak < 150_000_000


def test_an_object_that_is_gone_is_told_and_is_not_foreign(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    """ArchiveDays or a person may delete it before its notification is redriven."""
    gone, good = archived(cloud, event(1), event(2, time=NEXT_HOUR))
    cloud.s3.delete_object(Bucket="the-archive", Key=gone)
    handler(created(gone, good), None)
    assert [row["object"] for row in rows(cloud)] == [good]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["level"], line["object"]) for line in told if "object" in line] == [("WARNING", gone)]
    assert [line for line in told if "ObjectsNotCatalogued" in line] == []


def test_other_notifications_are_none_of_its_business(cloud: Cloud) -> None:
    (key,) = archived(cloud, event(1))
    handler(
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2024-10-27T00:00:00Z", "Bucket": "the-archive"}, None
    )
    handler(created(key, name="ObjectRemoved:Delete"), None)
    handler(created(key, bucket="another"), None)
    assert rows(cloud) == []


@pytest.mark.parametrize(("code", "status", "error"), [("SlowDown", 503, Transient), ("AccessDenied", 403, Permanent)])
def test_an_object_that_cannot_be_read_now_comes_again_and_its_neighbour_is_entered(
    cloud: Cloud, code: str, status: int, error: type[Exception]
) -> None:
    first, second = archived(cloud, event(1), event(2, time=NEXT_HOUR))
    body = cloud.s3.get_object(Bucket="the-archive", Key=second)["Body"]
    with Stubber(client("s3")) as stub:
        stub.add_client_error("get_object", code, http_status_code=status)
        stub.add_response("get_object", {"Body": body}, {"Bucket": "the-archive", "Key": second})
        with pytest.raises(error):
            handler(created(first, second), None)
    assert [row["object"] for row in rows(cloud)] == [second]


def test_a_table_that_cannot_be_written_now_is_an_error(cloud: Cloud) -> None:
    (key,) = archived(cloud, event(1))
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("put_item", "ProvisionedThroughputExceededException", http_status_code=400)
        with pytest.raises(Transient):
            handler(created(key), None)
