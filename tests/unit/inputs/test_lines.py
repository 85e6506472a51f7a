"""Files of lines: good lines are read as written, bad lines are reported, and no line takes unbounded memory."""

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.inputs import raw_lines
from tailrace.inputs.lines import BadLine, Format, Line, detect_format, read_lines
from tailrace.inputs.raw_lines import MAX_LINE_BYTES
from tests.strategies import values
from tests.unit.inputs.reading import TEXTS, bad_lines, ids, names, read


@given(st.lists(st.dictionaries(names, values, max_size=3), max_size=4))
def test_json_lines_are_read_as_written(items: list[dict[str, Any]]) -> None:
    body = b"".join(dumps({"id": str(n)} | item).encode() + b"\r\n" for n, item in enumerate(items))
    assert [line.item for line in read(body, "jsonl") if isinstance(line, Line)] == items


def test_json_lines_may_end_with_carriage_returns() -> None:
    assert ids(read(b'{"id":"1"}\r{"id":"2"}\r\r{"id":"3"}', "jsonl")) == ["1", "2", "3"]


@pytest.mark.parametrize("last", [b"", b"\r"])
@pytest.mark.parametrize("quotes", range(4))
def test_lines_that_end_with_carriage_returns_may_have_quotes_in_their_texts(quotes: int, last: bytes) -> None:
    """Quotes in JSON are escaped, and come in no pairs."""
    rows = [b'{"id":"1","a":"%s"}' % (b'\\"' * quotes), b'{"id":"2"}', b'{"id":"3"}']
    found = read(b"\r".join(rows) + last, "jsonl")
    assert ids(found) == ["1", "2", "3"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_very_long_lines_that_end_with_carriage_returns_are_skipped(form: Format) -> None:
    lines = {"csv": b"id,name\r1,a\r2,%s\r3,b\r", "jsonl": b'{"id":"1"}\r{"id":"2","a":"%s"}\r{"id":"3"}\r'}
    found = read(lines[form] % (b"x" * 3_500_000), form)
    assert ids(found) == ["1", "3"]
    assert len(bad_lines(found)) == 1


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_a_file_that_does_not_consist_of_lines_is_not_read_on(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_lines, "MAX_SKIPPED_BYTES", 2 * MAX_LINE_BYTES)
    assert len(read(b'{"id":"1"}' + end + b"x" * 2 * MAX_LINE_BYTES, "jsonl")) == 2
    with pytest.raises(InvalidMessage, match="longer than 2097152 bytes: the file must have one item on each line"):
        read(b'{"id":"1"}' + end + b"x" * 4 * MAX_LINE_BYTES, "jsonl")


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id": "1"}, {"id": "2"}]',
        b'\xef\xbb\xbf\n [\r\n  {"id": "1"}\r\n]\r\n',
        b'[ {"id": "1"},\n{"id": "2"}]\n',
        b'{\n  "id": "1"\n}\n',
    ],
)
def test_json_that_is_not_on_lines_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InvalidMessage, match=r"name that ends in \.json"):
        read(body, "jsonl")
    assert len(read(b'[1]\n{"id": "0"}\n' + body, "jsonl")) > 1
    assert ids(read(body, "json"))


@pytest.mark.parametrize("line", [b"{", b'[{"id": "1"}]', b"\n{\n"])
def test_a_first_line_that_is_not_an_object_leaves_the_others(line: bytes) -> None:
    found = read(line + b'\n{"id": "2"}\n{"id": "3"}\n', "jsonl")
    assert len(bad_lines(found)) == 1
    assert ids(found) == ["2", "3"]


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("a.JSONL", ("jsonl", False)),
        ("a.ndjson.gz", ("jsonl", True)),
        ("a.csv.GZ", ("csv", True)),
        ("a.tsv", ("csv", False)),
        ("a.json", ("json", False)),
        ("a.Json.gz", ("json", True)),
    ],
)
def test_the_extension_determines_the_format(key: str, known: tuple[str, bool]) -> None:
    assert detect_format(key) == known


@pytest.mark.parametrize("key", ["a.parquet", "a.gz", "a", "jsonl", "a.json.zip", "a.csv.zip", "a.csv "])
def test_an_unknown_extension_is_rejected(key: str) -> None:
    with pytest.raises(InvalidMessage, match="(unknown file type|which cannot be loaded): the name must end in one of"):
        detect_format(key)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_line_of_any_length_takes_bounded_memory(form: Format) -> None:
    class Endless(io.RawIOBase):
        left = 64 * MAX_LINE_BYTES

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            count = min(len(buffer), self.left)
            self.left -= count
            buffer[:count] = b'"' + b"a" * (count - 1) if self.left > 63 * MAX_LINE_BYTES and count else b"a" * count
            return count

    start = io.BytesIO(b"id,name\n" if form == "csv" else b"")
    tracemalloc.start()
    try:
        source: Any = io.BufferedReader(Endless())
        reader = read_lines(_joined(start, source), form, TEXTS)
        found = list(reader)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 1
    assert isinstance(found[0], BadLine)
    assert peak < 8 * MAX_LINE_BYTES


def _joined(first: io.BytesIO, second: Any) -> Any:
    class Joined:
        def readline(self, limit: int) -> bytes:
            return first.readline(limit) or bytes(second.readline(limit))

    return Joined()


def test_tagged_values_are_decoded() -> None:
    body = json.dumps({"id": "1", "s": {"~set": ["a"]}, "b": {"~bytes": "AP8="}}).encode()
    (line,) = read(body, "jsonl")
    assert isinstance(line, Line)
    assert line.item == {"s": {"a"}, "b": b"\x00\xff"}


@pytest.mark.parametrize("text", ['{"id": "1", "a": "\\ud800"}', '{"id": "1", "\\udfff": 1}', '{"id": "\\udc00x"}'])
def test_an_unpaired_surrogate_is_refused_by_its_name(text: str) -> None:
    (bad,) = read(text.encode(), "jsonl")
    assert isinstance(bad, BadLine)
    assert "a text has an unpaired surrogate" in bad.violation.message
