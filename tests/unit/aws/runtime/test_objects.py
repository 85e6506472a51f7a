"""Objects that are stored in parts."""

import tracemalloc
from typing import Any

import pytest

from tailrace.aws.runtime import objects
from tailrace.aws.runtime.objects import put_lines
from tests.unit.aws.conftest import Cloud

MEBIBYTE = 1024**2


@pytest.mark.parametrize("count", [0, 1, 5, 6, 13])
def test_lines_become_one_object_however_many_there_are(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 5 * MEBIBYTE)
    lines = [b"%d" % number * MEBIBYTE for number in range(count)]
    put_lines(cloud.s3, "the-archive", "reports/one.jsonl", iter(lines))
    assert cloud.objects("the-archive") == {"reports/one.jsonl": b"".join(line + b"\n" for line in lines)}
    assert not cloud.s3.list_multipart_uploads(Bucket="the-archive").get("Uploads")


def test_no_more_is_held_than_a_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", 100_000)

    class Bucket:
        stored = 0

        def create_multipart_upload(self, **_request: Any) -> dict[str, Any]:
            return {"UploadId": "u"}

        def upload_part(self, *, Body: bytes, **_request: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
            self.stored += len(Body)
            return {"ETag": "e"}

        def complete_multipart_upload(self, **_request: Any) -> None:
            pass

    bucket: Any = Bucket()
    tracemalloc.start()
    put_lines(bucket, "b", "k", (b"x" * 999 for _ in range(20_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bucket.stored == 20_000_000
    assert peak < 1_000_000
