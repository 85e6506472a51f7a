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
from tailrace.aws.stages.load import Loader
from tailrace.aws.stages.tally import Tally
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Permanent, Transient
from tests.unit.aws.conftest import Cloud

GOOD = {"id": "1", "shop": "a", "placed": "2024-10-27", "amount": 0.1}


class Context:
    """Lambda's context, as far as the handler looks at it."""

    def __init__(self, left_ms: int = 900_000) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def upload(cloud: Cloud, key: str, body: bytes, sequencer: str = "0A", **headers: Any) -> dict[str, Any]:
    """Store a file and return the bucket's notification of it."""
    stored = cloud.s3.put_object(Bucket="the-archive", Key=key, Body=body, **headers)
    quoted = key.replace("+", "%2B").replace(" ", "+")
    file = {"key": quoted, "size": len(body), "eTag": stored["ETag"].strip('"'), "sequencer": sequencer}
    place = {"bucket": {"name": "the-archive"}, "object": file}
    return {"Records": [{"eventName": "ObjectCreated:Put", "eventTime": "2024-01-01T00:00:00.000Z", "s3": place}]}


def load(cloud: Cloud, key: str, body: bytes) -> dict[str, Any]:
    """Load one file and return its receipt as it lies in the bucket."""
    (receipt,) = handler(upload(cloud, key, body), Context())
    (stored,) = cloud.objects("the-archive", "receipts/").values()
    assert loads(stored) == receipt
    return receipt


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


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

    def replacing(self: Loader, tally: Tally) -> None:
        flush(self, tally)
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
    (second,) = handler(later[0], Context())
    assert (second["accepted"], second.get("failure")) == (3, None)
    assert {item["lines"] for key, item in cloud.items().items() if int(key[7:]) < 3} == {2}


def test_a_replaced_file_that_finishes_late_keeps_the_receipt_of_the_later_upload(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = Loader._flush
    told: list[bool] = []

    def overtaken(self: Loader, tally: Tally) -> None:
        flush(self, tally)
        if not told:
            told.append(True)
            handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"lines": 2}), "0B"), Context())

    monkeypatch.setattr(Loader, "_flush", overtaken)
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


def test_a_file_with_the_longest_key_is_loaded_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto allows longer keys than S3."""
    monkeypatch.setattr("tailrace.aws.stages.load._LARGE_BYTES", 0)
    event = upload(cloud, f"inbox/orders/{'x' * 1005}.jsonl", lines(GOOD))
    (receipt,) = handler(event, Context())
    assert (receipt["file"], receipt["accepted"]) == (event["Records"][0]["s3"]["object"]["key"], 1)
    assert handler(event, Context()) == []
    assert sorted(len(key) for key in cloud.objects("the-archive")) == [84, 87, 1024]


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
    assert receipt["failure"] == "the file was deleted before it was loaded: drop it again"
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["FilesRefused"] for one in told if "FilesRefused" in one] == [[1.0]]
    (again,) = handler(upload(cloud, "inbox/orders/x.jsonl", lines(GOOD), sequencer="0C"), Context())
    assert (again["accepted"], again.get("failure")) == (1, None)


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


@pytest.mark.parametrize("line", [b"x" * 900_000, json.dumps(GOOD | {"tags": [1] * 9_000}).encode()])
def test_large_lines_are_written_before_they_fill_the_memory(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    held: list[int] = []
    flush = Loader._flush

    def watched(self: Loader, tally: Tally) -> None:
        held.append(sum(len(stored.body) for stored in tally.quarantine_reports))
        flush(self, tally)

    monkeypatch.setattr(Loader, "_flush", watched)
    receipt = load(cloud, "inbox/orders/x.jsonl", (line + b"\n") * 12)
    assert receipt["rejected"] == 12
    assert max(held) < 4_000_000
    assert len(cloud.quarantine()) == 12


def test_of_very_many_bad_lines_the_receipt_tells_the_first(cloud: Cloud) -> None:
    receipt = load(cloud, "inbox/orders/x.jsonl", b"{]\n" * 700)
    assert receipt["rejected"] == 700
    assert [error["line"] for error in receipt["errors"]] == list(range(1, 21))


def test_lines_that_take_long_are_handed_on_in_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a transform of two seconds, as many lines as are written at once take longer than a function may."""
    context, process, handed_on = Context(), Loader._process, list[Any]()
    flush, flushed = Loader._flush, list[int]()

    def slowly(self: Loader, line: Any, tally: Tally) -> None:
        context.left_ms -= 2_000
        process(self, line, tally)

    def watched(self: Loader, tally: Tally) -> None:
        flushed.append(len(tally.rows))
        flush(self, tally)

    monkeypatch.setattr(Loader, "_process", slowly)
    monkeypatch.setattr(Loader, "_flush", watched)
    monkeypatch.setattr("functions.load.app.invoke_later", lambda _client, _name, event: handed_on.append(event))
    event = upload(cloud, "inbox/orders/x.jsonl", lines(*(GOOD | {"id": str(number)} for number in range(480))))
    assert handler(event, context) == []
    assert context.left_ms > 50_000
    context.left_ms = 900_000
    ((receipt,),) = [handler(event, context) for event in handed_on]
    assert (receipt["accepted"], len(cloud.items())) == (480, 480)
    assert len(flushed) < 480 / 2  # at checkpoints, and not line by line from the first one on


def test_of_a_line_with_very_many_violations_the_receipt_tells_the_first(cloud: Cloud) -> None:
    receipt = load(cloud, "inbox/orders/x.jsonl", lines(GOOD | {"tags": [1] * 1_000}))
    assert [len(error["violations"]) for error in receipt["errors"]] == [20]
    assert len(cloud.quarantine()[0]["violations"]) == 1_000


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
