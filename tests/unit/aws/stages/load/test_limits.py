"""load: long keys, large and slow lines, and very many errors stay within the limits of S3, of memory and of time."""

import json
from typing import Any

import pytest

from functions.load.app import handler
from tailrace.aws.stages.load import Loader
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.load.uploads import GOOD, Context, lines, load, upload


def test_a_file_with_the_longest_key_is_loaded_once(cloud: Cloud) -> None:
    """moto allows longer keys than S3."""
    event = upload(cloud, f"inbox/orders/{'x' * 1005}.jsonl", lines(GOOD))
    (receipt,) = handler(event, Context())
    assert (receipt["file"], receipt["accepted"]) == (event["Records"][0]["s3"]["object"]["key"], 1)
    assert handler(event, Context()) == []
    assert sorted(len(key) for key in cloud.objects("the-archive")) == [84, 87, 1024]


@pytest.mark.parametrize("line", [b"x" * 900_000, json.dumps(GOOD | {"tags": [1] * 9_000}).encode()])
def test_large_lines_are_written_before_they_fill_the_memory(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    held: list[int] = []
    flush = Loader._flush

    def watched(self: Loader, work: Any) -> None:
        held.append(sum(len(stored.body) for stored in work.tally.quarantine_reports))
        flush(self, work)

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

    def slowly(self: Loader, line: Any, *rest: Any) -> None:
        context.left_ms -= 2_000
        process(self, line, *rest)

    def watched(self: Loader, work: Any) -> None:
        flushed.append(len(work.tally.rows))
        flush(self, work)

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
