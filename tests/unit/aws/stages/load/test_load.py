"""load: files become items, a line at a time; what is bad is told in the receipt and kept in quarantine."""

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.load.app import handler
from tailrace.aws.items.batch_writer import put_all_or_raise
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.object_reader import ObjectReader, ObjectReplaced, StoredVersion
from tailrace.errors import Transient
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.load.uploads import GOOD, Context, lines, load, upload


@pytest.mark.parametrize("zipped", [False, True])
def test_json_lines_become_items(cloud: Cloud, zipped: bool) -> None:
    body = b"\xef\xbb\xbf" + lines(GOOD, GOOD | {"id": 2, "expires_at": 1_900_000_000}) + b"\n\n"
    key = "inbox/orders/a day+.jsonl" + (".gz" if zipped else "")
    receipt = load(cloud, key, gzip.compress(body[:40]) + gzip.compress(body[40:]) if zipped else body)
    assert (receipt["accepted"], receipt["rejected"], receipt["file"]) == (2, 0, key)
    assert str(cloud.items()["orders#1"]["amount"]) == "0.1"
    assert cloud.items()["orders#2"]["expires_at"] == 1_900_000_000


def test_csv_rows_become_items_of_the_schemas_types(cloud: Cloud) -> None:
    rows = 'id,shop,placed,amount,paid,lines\n1,"a\n""b"" #~",2024-10-27,12.50,TRUE,\n2,c,2024-10-27,,false,7\n'
    assert load(cloud, "inbox/orders/x.csv", rows.encode())["accepted"] == 2
    items = cloud.items()
    assert items["orders#1"] == {
        "shop": 'a\n"b" #~',
        "placed": "2024-10-27",
        "amount": Decimal("12.5"),
        "paid": True,
    }
    assert items["orders#2"] == {"shop": "c", "placed": "2024-10-27", "paid": False, "lines": 7}


BAD_LINES: dict[str, bytes] = {
    "no JSON": b"{",
    "not UTF-8": b'{"id": "\xff"}',
    "no object": b"[1]",
    "NaN": b'{"id": "x", "shop": "a", "placed": "b", "amount": NaN}',
    "no id": lines({"shop": "a", "placed": "b"}).strip(),
    "a missing field": lines({"id": "x"}).strip(),
    "a wrong type": lines(GOOD | {"id": "x", "amount": "1"}).strip(),
    "300 KB of text": lines(GOOD | {"id": "x", "shop": "s" * 300_000}).strip(),
    "a line without end": b'{"id": "' + b"x" * 3_000_000 + b'"}',
    "deep nesting": b'{"id": "x", "notes": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "a broken transform": lines(GOOD | {"id": "x", "lines": 13}).strip(),
    "an id that is too long": lines(GOOD | {"id": "x" * 1025}).strip(),
    "half a character in a name": b'{"id": "x", "shop": "a", "placed": "b", "notes": {"\xed\xa0\x80": 1}}',
    "half a character in an id": b'{"id": "\xed\xa0\x80", "shop": "a", "placed": "b"}',
    "39 digits in a set": lines(GOOD | {"id": "x", "notes": {"s": {"~set": [int("1" * 39)]}}}).strip(),
    "an id that no key can hold": lines(GOOD | {"id": "é" * 1024}).strip(),
    "an expiry that is no time": lines(GOOD | {"id": "x", "expires_at": "soon"}).strip(),
    "more than a table holds": lines(GOOD | {"id": "x", "notes": {"n": "s" * 450_000}}).strip(),
    "strange characters": lines(GOOD | {"id": "#~/", "#~/": "#~/"}).strip(),
    "a name twice": b'{"id": "x", "shop": "a", "placed": "b", "amount": 1, "amount": 2}',
    "a name twice, deep": b'{"id": "x", "shop": "a", "placed": "b", "notes": {"n": [{"a": 1, "a": 1}]}}',
    "an id twice": b'{"id": "1", "shop": "a", "placed": "b", "id": "2"}',
    "a huge exponent": b'{"id": "x", "shop": "a", "placed": "b", "amount": 1e999999999}',
}


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda name: name.replace(" ", "-"))
def test_a_bad_line_is_told_and_kept_and_its_neighbours_arrive(cloud: Cloud, bad: str) -> None:
    event = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD) + BAD_LINES[bad] + b"\n" + lines(GOOD | {"id": "2"}))
    (receipt,) = handler(event, Context())
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert receipt["errors"][0]["line"] == 2
    assert receipt["errors"][0]["violations"][0]["message"]
    assert set(cloud.items()) == {"orders#1", "orders#2"}
    (report,) = cloud.quarantine()
    assert (report["entrance"], report["origin"]["line"]) == ("file", "2")
    assert report.get("expires_at") == ("soon" if bad == "an expiry that is no time" else None)


def test_each_line_of_an_item_is_written(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive and the routes have every version, not only the last one of those that are written together."""
    written: list[Any] = []

    def put(dynamodb: Any, table: str, rows: Sequence[Any], **options: Any) -> Any:
        written.extend(rows)
        return put_all_or_raise(dynamodb, table, rows, **options)

    monkeypatch.setattr("tailrace.aws.stages.load.put_all_or_raise", put)
    event = upload(cloud, "inbox/orders/x.jsonl", lines(*(GOOD | {"id": "1", "lines": n} for n in (1, 2, 3))))
    (receipt,) = handler(event, Context())
    assert (receipt["accepted"], len(written), cloud.items()["orders#1"]["lines"]) == (3, 3, 3)


BAD_ROWS: dict[str, bytes] = {
    "too few cells": b"x,a",
    "too many cells": b"x,a,2024-10-27,1,1",
    "no id": b",a,2024-10-27,1",
    "no number": b"x,a,2024-10-27,one",
    "NaN": b"x,a,2024-10-27,NaN",
    "not UTF-8": b"x,\xff,2024-10-27,1",
    "an id that is not UTF-8": b"\xff,a,2024-10-27,1",
    "an open quote": b'x,"a,2024-10-27,1',
    "a quote inside": b'x,"a"b,2024-10-27,1',
    "no number, for all that Python says": b"x,a,2024-10-27,1_000",
    "a line without end": b"x," + b"s" * 3_000_000 + b",2024-10-27,1",
}


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda name: name.replace(" ", "-"))
def test_a_bad_row_is_told_and_kept_and_its_neighbours_arrive(cloud: Cloud, bad: str) -> None:
    body = b"id,shop,placed,amount\n1,a,2024-10-27,1\n" + BAD_ROWS[bad] + b"\n2,a,2024-10-27,1\n"
    receipt = load(cloud, "inbox/orders/x.csv", body)
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert receipt["errors"][0]["line"] == 3
    assert set(cloud.items()) == {"orders#1", "orders#2"}
    assert len(cloud.quarantine()) == 1


BAD_FILES: dict[str, tuple[str, bytes]] = {
    "an unknown collection": ("inbox/planes/x.jsonl", lines(GOOD)),
    "an unknown kind": ("inbox/orders/x.parquet", b"PAR1"),
    "no collection": ("inbox/x.jsonl", lines(GOOD)),
    "an empty CSV": ("inbox/orders/x.csv", b""),
    "a CSV without an id": ("inbox/orders/x.csv", b"shop,placed\na,b\n"),
    "a CSV with a column twice": ("inbox/orders/x.csv", b"id,shop,shop\n"),
    "an empty file": ("inbox/orders/x.jsonl", b""),
    "a header and no rows": ("inbox/orders/x.csv", b"id,shop,placed\n"),
    "a header that is not UTF-8": ("inbox/orders/x.csv", b"id,shop,\xff\n1,a,b\n"),
    "no gzip": ("inbox/orders/x.jsonl.gz", lines(GOOD)),
    "an empty gzip": ("inbox/orders/x.csv.gz", b""),
}


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda name: name.replace(" ", "-"))
def test_a_file_that_cannot_be_loaded_gets_a_receipt_that_says_why(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    """And a metric, as nobody has to look at receipts: the day's file in a folder that is misspelt would be missed."""
    receipt = load(cloud, *BAD_FILES[bad])
    assert receipt["failure"]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["FilesRefused"] for one in told if "FilesRefused" in one] == [[1.0]]
    assert receipt["accepted"] == 0
    assert cloud.items() == {}


def test_a_file_that_is_read_to_its_end_is_not_refused(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    load(cloud, "inbox/orders/x.jsonl", lines(GOOD, {"id": "2"}))
    assert "FilesRefused" not in capsys.readouterr().out


def test_what_was_read_before_a_file_breaks_off_is_kept(cloud: Cloud) -> None:
    body = gzip.compress(b"".join(lines(GOOD | {"id": str(n), "amount": n * 7919}) for n in range(3000)))
    receipt = load(cloud, "inbox/orders/x.jsonl.gz", body[: len(body) // 2])
    assert receipt["failure"]
    assert 0 < receipt["accepted"] < 3000
    assert len(cloud.items()) == receipt["accepted"]


def test_a_file_of_many_lines_takes_the_last_word_on_each_item(cloud: Cloud) -> None:
    body = b"".join(lines(GOOD | {"id": str(n % 700), "lines": n % 13}) for n in range(1400))
    assert load(cloud, "inbox/orders/x.jsonl", body)["accepted"] == 1400
    assert {key: item["lines"] for key, item in cloud.items().items()} == {
        f"orders#{n}": (n + 700) % 13 for n in range(700)
    }


def test_a_file_is_read_in_ranges_of_one_version(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.aws.runtime.object_reader.RANGE_BYTES", 1000)
    body = b"".join(lines(GOOD | {"id": str(n)}) for n in range(100))
    assert load(cloud, "inbox/orders/x.jsonl", body)["accepted"] == 100
    upload(cloud, "inbox/orders/y.jsonl", body)
    version = StoredVersion.find(cloud.s3, "the-archive", "inbox/orders/y.jsonl")
    assert version is not None
    reader = ObjectReader(cloud.s3, version, lambda: None)
    assert reader.read(1500) == body[:1000]
    upload(cloud, "inbox/orders/y.jsonl", body.replace(b"a", b"b"))
    with pytest.raises(ObjectReplaced):
        reader.read(1500)
    cloud.s3.delete_object(Bucket="the-archive", Key="inbox/orders/y.jsonl")
    with pytest.raises(ObjectReplaced):
        reader.read(1500)


def test_a_receipt_that_is_none_of_ours_is_replaced(cloud: Cloud) -> None:
    for foreign in (b"[1", b"[1]", b"\xff", b""):
        cloud.s3.put_object(Bucket="the-archive", Key="receipts/orders/x.jsonl.json", Body=foreign)
        assert load(cloud, "inbox/orders/x.jsonl", lines(GOOD))["accepted"] == 1


def test_what_only_the_table_finds_invalid_is_told_like_the_rest(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.aws.items.rows.check_item", lambda *_: None)
    bad = lines(GOOD | {"id": "x", "notes": {"n": "s" * 450_000}})
    receipt = load(cloud, "inbox/orders/x.jsonl", lines(GOOD) + bad + lines(GOOD | {"id": "2"}))
    assert (receipt["accepted"], receipt["rejected"]) == (2, 1)
    assert (receipt["errors"][0]["line"], receipt["errors"][0]["violations"][0]["keyword"]) == (2, "table")
    assert set(cloud.items()) == {"orders#1", "orders#2"}
    assert [report["id"] for report in cloud.quarantine()] == ["x"]


def test_an_expiry_that_is_no_time_is_told_by_the_name_that_the_line_gives_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema has a field ``expires_at``, so lines give the expiry under the name of the TTL attribute."""
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.kept:pipeline")
    bad = {"shop": "a", "placed": "2024-10-27", "id": "1", "expires_at": "a text", "ends": "soon"}
    receipt = load(cloud, "inbox/orders/x.jsonl", lines(bad))
    assert [violation["pointer"] for violation in receipt["errors"][0]["violations"]] == ["/ends"]


def test_a_table_that_is_busy_leaves_no_receipt_and_the_next_try_completes(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = upload(cloud, "inbox/orders/x.jsonl", lines(GOOD) + b"{\n")
    monkeypatch.setattr("tailrace.aws.items.batch_writer.random.uniform", lambda _least, _most: 0)
    with Stubber(client("dynamodb")) as stub:
        for _ in range(8):
            stub.add_client_error("batch_write_item", "ProvisionedThroughputExceededException")
        with pytest.raises(Transient):
            handler(event, Context())
    assert cloud.objects("the-archive", "receipts/") == {}
    (receipt,) = handler(event, Context())
    assert (receipt["accepted"], receipt["rejected"]) == (1, 1)
    assert len(cloud.quarantine()) == 1
