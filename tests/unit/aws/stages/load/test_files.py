"""load: files of every form and fault: read, or refused with a receipt that says what to do."""

import bz2
import gzip
import io
import json
import lzma
import re
import tracemalloc
import zlib
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

import pytest
from botocore.response import StreamingBody

from functions.load.app import handler
from local.in_memory.errors import client_error
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.object_reader import RANGE_BYTES
from tailrace.aws.stages.load import Loader
from tailrace.errors import Transient
from tests.pipelines import anything
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.load.uploads import GOOD, Context, lines, upload

TABLE = b"id,shop,placed\n1,a,2024-10-27\n2,b,2024-10-28\n"
LINES = lines(GOOD, GOOD | {"id": "2"})


def load(cloud: Cloud, name: str, body: bytes, collection: str = "orders", **headers: Any) -> dict[str, Any]:
    (receipt,) = handler(upload(cloud, f"inbox/{collection}/{name}", body, **headers), Context())
    return receipt


READ: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "Content-Encoding gzip without .gz": ("x.jsonl", gzip.compress(LINES), {"ContentEncoding": "gzip"}),
    "Content-Encoding gzip with .gz": ("x.csv.gz", gzip.compress(TABLE), {"ContentEncoding": "gzip"}),
    "Content-Encoding of an uploader": ("x.csv", gzip.compress(TABLE), {"ContentEncoding": "aws-chunked, GZIP"}),
    "Content-Encoding gzip, but plain": ("x.csv", TABLE, {"ContentEncoding": "gzip"}),
    "Content-Encoding identity": ("x.csv", TABLE, {"ContentEncoding": "identity"}),
    "gzip that nothing tells of": ("x.csv", gzip.compress(TABLE), {}),
    ".json of lines": ("x.json", LINES, {}),
    ".json.gz of lines": ("x.json.gz", gzip.compress(LINES), {}),
    ".json.gz of an array": ("x.json.gz", gzip.compress(json.dumps([GOOD, GOOD | {"id": 2}], indent=1).encode()), {}),
    ".JSON of an array": ("X.JSON", json.dumps([GOOD, GOOD | {"id": 2}]).encode(), {"ContentEncoding": ""}),
    "carriage returns": ("x.csv", TABLE.replace(b"\n", b"\r"), {}),
    "carriage returns, compressed": ("x.csv.gz", gzip.compress(TABLE.replace(b"\n", b"\r")), {}),
    "semicolons and a mark": ("x.csv", b"\xef\xbb\xbf" + TABLE.replace(b",", b";"), {}),
    "tabs": ("x.tsv", TABLE.replace(b",", b"\t"), {}),
    "tabs in .csv": ("x.csv", TABLE.replace(b",", b"\t"), {}),
    "commas in .tsv": ("x.tsv", TABLE, {}),
    "trailing empty columns": ("x.csv", TABLE.replace(b"\n", b",,\n"), {}),
    "two marks": ("x.csv", b"\xef\xbb\xbf" * 2 + TABLE, {}),
    "a mark between joined files": ("x.csv", TABLE[:30] + b"\xef\xbb\xbf" + TABLE[30:], {}),
    "rows of spaces": ("x.csv", TABLE + b" , ,\t\n   \n,,\n", {}),
    "several gzip members": ("x.csv.gz", gzip.compress(TABLE[:40]) + gzip.compress(TABLE[40:]) + b"\0" * 100, {}),
}


@pytest.mark.parametrize("form", READ)
def test_a_file_is_read_in_any_common_form(cloud: Cloud, form: str) -> None:
    name, body, headers = READ[form]
    receipt = load(cloud, name, body, **headers)
    assert (receipt["accepted"], receipt["rejected"], receipt.get("failure")) == (2, 0, None)
    assert set(cloud.items()) == {"orders#1", "orders#2"}


BOMB = gzip.compress(b"x" * 3_000_000)
REFUSED: dict[str, tuple[str, bytes, dict[str, str], str]] = {
    "UTF-16": (
        "x.csv",
        TABLE.decode().encode("utf-16"),
        {},
        "not UTF-8, it is UTF-16 or UTF-32, or binary: save it as UTF-8",
    ),
    "UTF-16 without a mark": ("x.jsonl", LINES.decode().encode("utf-16-le"), {}, "UTF-16"),
    "UTF-16, compressed": ("x.csv.gz", gzip.compress(TABLE.decode().encode("utf-16-be")), {}, "UTF-16"),
    "UTF-32": ("x.jsonl", LINES.decode().encode("utf-32"), {}, "UTF-32"),
    "a Latin-1 header": ("x.csv", "id,größe\n1,2\n".encode("latin-1"), {}, "Latin-1"),
    "a ZIP archive": ("x.csv", b"PK\x03\x04" + b"\0" * 50, {}, "a ZIP archive.*save it as CSV"),
    "a workbook": ("x.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50, {}, "a spreadsheet workbook"),
    "Parquet": ("x.csv", b"PAR1" + b"\0" * 50, {}, "Parquet"),
    "zstd": ("x.jsonl", b"\x28\xb5\x2f\xfd" + b"\0" * 50, {}, "zstd"),
    "bzip2": ("x.csv", bz2.compress(TABLE), {}, "compressed with bzip2"),
    "xz": ("x.csv", lzma.compress(TABLE), {}, "compressed with xz"),
    "LZMA": ("x.csv", lzma.compress(TABLE, lzma.FORMAT_ALONE), {}, "compressed with LZMA"),
    "zlib": ("x.csv", zlib.compress(TABLE), {}, "compressed with zlib"),
    "LZ4": ("x.csv", b"\x04\x22\x4d\x18abcd", {}, "compressed with LZ4"),
    "an empty archive": ("x.csv", b"PK\x05\x06" + b"\0" * 18, {}, "an empty ZIP archive"),
    "a web page": ("x.csv", b"<!DOCTYPE html><html></html>", {}, "a web page"),
    "XML": ("x.jsonl", b"<?xml version='1.0'?><a/>", {}, "XML: save it as CSV"),
    "a database": ("x.csv", b"SQLite format 3\0" + b"\0" * 50, {}, "an SQLite database"),
    "zstd by its name": (
        "x.jsonl.zst",
        LINES,
        {},
        "compressed with zstd, which cannot be loaded: the name must end in one",
    ),
    "bzip2 by its name": ("x.csv.bz2", LINES, {}, "compressed with bzip2, which cannot be loaded"),
    "a ZIP archive by its name": ("x.csv.zip", LINES, {}, "a ZIP archive, which cannot be loaded"),
    "an archive by its name": ("x.tar.gz", LINES, {}, "an archive, which cannot be loaded"),
    "Parquet by its name": ("x.parquet", LINES, {}, "Parquet, which cannot be loaded"),
    "compressed twice, as it says": (
        "x.csv",
        gzip.compress(gzip.compress(TABLE)),
        {"ContentEncoding": "gzip, gzip"},
        "compressed twice",
    ),
    "another Content-Encoding": ("x.jsonl", b"\x1b\x2f\x00", {"ContentEncoding": "br"}, "'br' is not supported: store"),
    "compressed twice": ("x.csv.gz", gzip.compress(gzip.compress(TABLE)), {}, "compressed twice"),
    "plain, but named .gz": ("x.csv.gz", TABLE, {}, "the name ends in .gz"),
    "another extension": (
        "x.xlsx",
        b"PK\x03\x04",
        {},
        "the name must end in one of .jsonl, .ndjson, .csv, .tsv, .json",
    ),
    "half an array": ("x.json", b'[{"id":"1"', {}, "ends in the middle of its JSON"),
    "damaged gzip data": ("x.csv.gz", gzip.compress(TABLE)[:10] + b"\x07" * 30, {}, "damaged"),
    "a gzip header alone": (
        "x.csv.gz",
        gzip.compress(TABLE)[:10],
        {},
        "ends in the middle of its gzip data: upload it",
    ),
    "an empty file": ("x.jsonl", b"", {}, "holds no items"),
    "an empty JSON file": ("x.json", b"", {}, "holds no items"),
    "an empty array": ("x.json", b"[]", {}, "holds no items"),
    "an empty file, compressed": ("x.jsonl.gz", gzip.compress(b""), {}, "holds no items"),
    "an empty table, compressed": ("x.csv.gz", gzip.compress(b""), {}, "CSV header: the file is empty"),
    "a byte order mark alone": ("x.jsonl", b"\xef\xbb\xbf", {}, "holds no items"),
    "a zip bomb": ("x.jsonl.gz", BOMB, {}, "unpacks to more than 250 times its size"),
    "nothing but zeros": ("x.csv", b"\0" * 1000, {}, "not UTF-8, it is UTF-16 or UTF-32, or binary"),
    "a zip bomb as a table": ("x.csv.gz", BOMB, {}, "unpacks to more than"),
    "a zip bomb as JSON": ("x.json", BOMB, {}, "unpacks to more than"),
    "a zip bomb of empty lines": ("x.jsonl.gz", gzip.compress(b"\n" * 400_000), {}, "unpacks to more than"),
    "a zip bomb in parts": ("x.jsonl.gz", BOMB * 3, {}, "unpacks to more than"),
    "a table without an id": ("x.csv", b"shop,placed\na,b\n", {}, "no column 'id': add one, or .* id_from"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr("tailrace.inputs.unpacking._MIN_UNPACKED_BYTES", 200_000)
    name, body, headers, reason = REFUSED[form]
    tracemalloc.start()
    try:
        receipt = load(cloud, name, body, **headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert receipt["accepted"] == 0
    assert re.search(reason, receipt["failure"])
    assert cloud.items() == {}
    assert peak < 30_000_000


def test_half_a_compressed_file_keeps_what_was_read(cloud: Cloud) -> None:
    body = gzip.compress(b"".join(lines(GOOD | {"id": str(n), "amount": n * 7919}) for n in range(3000)))
    receipt = load(cloud, "x.jsonl.gz", body[: len(body) // 2])
    assert receipt["failure"] == "the file ends in the middle of its gzip data: upload it again, completely"
    assert 1000 < receipt["accepted"] < 2000
    assert len(cloud.items()) == receipt["accepted"]
    whole = load(cloud, "x.jsonl.gz", body, sequencer="0B")
    assert (whole["accepted"], whole.get("failure")) == (3000, None)


def test_a_damaged_checksum_is_told_though_everything_could_be_read(cloud: Cloud) -> None:
    receipt = load(cloud, "x.csv.gz", gzip.compress(TABLE)[:-8] + b"\0" * 8)
    assert re.search("the gzip data is damaged .*: upload the file again", receipt["failure"])
    assert receipt["accepted"] == 2


def test_half_a_plain_file_reports_its_last_line(cloud: Cloud) -> None:
    receipt = load(cloud, "x.jsonl", LINES[:-20])
    assert (receipt["accepted"], [error["line"] for error in receipt["errors"]]) == (1, [2])


def test_lines_that_are_latin_1_are_reported_and_the_others_arrive(cloud: Cloud) -> None:
    rows = "id,shop,placed\n1,a,2024-10-27\n2,Zoë,2024-10-27\n3,c,2024-10-27\n".encode("latin-1")
    receipt = load(cloud, "x.csv", rows)
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert "Latin-1" in receipt["errors"][0]["violations"][0]["message"]


def test_the_same_file_twice_makes_the_same_items(cloud: Cloud) -> None:
    for name, sequencer in (("x.csv", "0A"), ("copy of x.csv", "0B")):
        assert load(cloud, name, TABLE, sequencer=sequencer)["accepted"] == 2
        assert set(cloud.items()) == {"orders#1", "orders#2"}


def test_ids_made_of_the_content_are_the_same_each_time(cloud: Cloud) -> None:
    table = b"page,ms\n/a,7\n/b,12.50\n/a,7\n"
    assert load(cloud, "x.csv", table, "visits")["accepted"] == 3
    found = cloud.items()
    assert sorted(item["page"] for item in found.values()) == ["/a", "/b"]
    assert load(cloud, "y.jsonl", b'{"ms":12.5,"page":"/b"}\n{"ms":7.0,"page":"/a"}\n', "visits")["accepted"] == 2
    assert cloud.items() == found
    assert load(cloud, "z.csv", b"id,page\nx,/c\n", "visits")["accepted"] == 1
    assert set(cloud.items()) == {*found, "visits#x"}


def test_a_bucket_that_breaks_off_is_tried_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    event = upload(cloud, "inbox/orders/x.csv", TABLE)
    read = client("s3").get_object
    answers: list[Any] = []

    def broken(**request: Any) -> Any:
        answer = read(**request)
        if "Range" in request and not answers:
            answers.append(answer)
            answer["Body"] = StreamingBody(io.BytesIO(b"id"), 1000)  # shorter than it says
        return answer

    monkeypatch.setattr(client("s3"), "get_object", broken)
    with pytest.raises(Transient):
        handler(event, Context())
    assert handler(event, Context())[0]["accepted"] == 2


class LargeFile:
    """A bucket with one file of any size, which is made when it is read, and a table that keeps nothing."""

    def __init__(self, lines_in_file: int) -> None:
        self.line = b'{"id":"%08d","text":"' + b"x" * 50_000 + b'"}\n'
        self.size = len(self.line % 0) * lines_in_file
        self.ranges: list[str] = []
        self.stored: dict[str, bytes] = {}

    def head_object(self, **_request: Any) -> dict[str, Any]:
        return {"ETag": '"e"', "ContentLength": self.size}

    def get_object(self, *, Key: str, Range: str = "", **_request: Any) -> dict[str, Any]:  # noqa: N803
        if not Range:
            raise client_error("GetObject", "NoSuchKey", status=404)
        self.ranges.append(Range)
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        length = len(self.line % 0)
        made = b"".join(self.line % number for number in range(first // length, last // length + 1))
        start = first % length
        return {"Body": io.BytesIO(made[start : start + last - first + 1])}

    def put_object(self, *, Key: str, Body: bytes, **_request: Any) -> dict[str, Any]:  # noqa: N803
        self.stored[Key] = Body
        return {"ETag": '"checkpoint"'}

    def batch_write_item(self, **_request: Any) -> dict[str, Any]:
        return {}


def peak_of_reading(count: int) -> int:
    """Load a file of so many lines, and return the most bytes that were allocated at a time."""
    store: Any = LargeFile(count)
    loader = Loader(
        anything.pipeline, store, store, "items", "failures", lambda: datetime.now(UTC), hand_on=lambda _: None
    )
    file = {"bucket": {"name": "b"}, "object": {"key": "inbox/things/x.jsonl", "sequencer": "1"}}
    tracemalloc.start()
    (receipt,) = loader({"Records": [{"eventTime": "2024-01-01T00:00:00Z", "s3": file}]}, lambda: 900_000)
    peak = tracemalloc.get_traced_memory()[1]
    assert (receipt["accepted"], receipt.get("failure")) == (count, None)
    assert len(store.ranges) == -(-store.size // RANGE_BYTES)
    return peak


def test_memory_does_not_grow_with_the_file() -> None:
    # in a process of its own: tracemalloc also counts what other tests' threads allocate
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        peaks = list(process.map(peak_of_reading, (400, 1600)))
    assert max(peaks) < 40_000_000
    assert peaks[1] < 1.2 * peaks[0]
