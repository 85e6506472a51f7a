"""A file of any form is read on from each of its bookmarks as if the reading had never stopped."""

import gzip
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailrace.definition.schemas import Schema
from tailrace.errors import InvalidMessage
from tailrace.inputs import csv_rows as tables
from tailrace.inputs import json_values as splitting
from tailrace.inputs import raw_lines as reading
from tailrace.inputs.lines import BadLine, Format, Line, LineReader
from tailrace.inputs.raw_lines import MAX_LINE_BYTES, Bookmark
from tailrace.inputs.unpacking import unpacked

OPEN = Schema({"properties": {"a": {"type": "string"}}})
START = Bookmark()
MARK = b"\xef\xbb\xbf"
LONG = b"x" * (MAX_LINE_BYTES + 5)

type Place = tuple[Line | BadLine | None, Bookmark]


def read(body: bytes, form: Format, start: Bookmark = START, *, zipped: bool = False) -> tuple[list[Place], str]:
    """Return the lines after a bookmark, each with the bookmark after it, and what ended the file, if anything."""
    stored = io.BufferedReader(io.BytesIO(gzip.compress(body) if zipped else body))
    found: list[Place] = []
    try:
        reader = LineReader(unpacked(stored, named_gzip=zipped, encoding=""), form, OPEN, (), start)
        for line in reader:
            found.append((line, reader.bookmark))
    except InvalidMessage as error:
        return found, str(error)
    return [*found, (None, reader.bookmark)], ""


def assert_continues(body: bytes, form: Format, *, zipped: bool = False) -> int:
    """Read a file on from each of its bookmarks; return how many it has."""
    whole, end = read(body, form, zipped=zipped)
    offsets = [bookmark.offset for _, bookmark in whole]
    assert offsets == sorted(offsets)
    assert not offsets or offsets[-1] <= len(body)
    for position, (_, bookmark) in enumerate(whole):
        rest, rest_end = read(body, form, bookmark, zipped=zipped)
        assert rest_end == end
        assert rest == (whole[position + 1 :] if end or position < len(whole) - 1 else whole[-1:])
    return len(whole)


TABLE = b'id,a\n1,x\n2,"y\n""z"""\n\n3,\xff\n4,"open\n5,v\n6,w,too many\n,\n7,"last\n\n"'
LINES = b'{"id": 1}\n\n[1]\n{"id": 2, "a": "\xc3\xa9"}\r\n{\n   \n' + LONG + b'\n{"id": "3"}\n\n{"id": "4"'
ARRAY = b' \n[ {"id": 1},\n\n{"id": "2", "a": "]}"} , 3, "\\"", {"id": "4", "a": [1, {"b": {}}]}\n] \n '

FILES: dict[str, tuple[bytes, Format]] = {
    "lines": (LINES, "jsonl"),
    "lines with a mark": (MARK + LINES, "jsonl"),
    "lines that end with CR": (LINES.replace(b"\r\n", b"\n").replace(b"\n", b"\r"), "jsonl"),
    "lines that end with CR and CRLF": (b'{"id": 1}\r' + LINES.replace(b"\n", b"\r\n") + b"\r\n", "jsonl"),
    "one line": (b'{"id": 1}', "jsonl"),
    "a line longer than what is read at once": (LONG + LONG + LONG + b'\n{"id": 1}\n', "jsonl"),
    "CR lines longer than what is read at once": (b'{"id":1}\r' + LONG * 2 + b'\r{"id": 2}\r\r\n{"id": 3}', "jsonl"),
    "nothing": (b"", "jsonl"),
    "a table": (TABLE, "csv"),
    "a table with a mark": (MARK + TABLE, "csv"),
    "a table of semicolons": (TABLE.replace(b",", b";"), "csv"),
    "a table that names its separator": (b"sep=|\n" + TABLE.replace(b",", b"|"), "csv"),
    "a table whose header has two lines": (b'id,a,"b\nc"\n1,x,y\n2,"x\n",y\n', "csv"),
    "a table whose header has two lines and ends with CR": (b'id,a,"b\nc"\r1,x,y\r2,"x\n",y\r', "csv"),
    "a table that ends with CR": (TABLE.replace(b"\n", b"\r"), "csv"),
    "a table that ends with CRLF": (TABLE.replace(b"\n", b"\r\n"), "csv"),
    "a header alone": (b"id,a", "csv"),
    "no header": (b"a\n1\n", "csv"),
    "quotes that swallow each other": (b"id,a\n" + b'1,"x\n2,y\n' * 40, "csv"),
    "a quote that is open for longer than a row may be": (b'id,a\n1,"x\n' + b"2,%s\n" % (b"y" * 1000) * 1100, "csv"),
    "an array": (ARRAY, "json"),
    "an array with a mark": (MARK + ARRAY, "json"),
    "an array that is cut off": (ARRAY[:-20], "json"),
    "an array with something after it": (ARRAY + b"1", "json"),
    "an empty array": (b"[]", "json"),
    "objects": (b'{"id": 1}\n{"id": "2",\n "a": "}"}{"id": 3} 5', "json"),
    "objects in the middle": (b'{"id": 1}\n{"id": "2"', "json"),
}
LARGE = {"a quote that is open for longer than a row may be"}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", sorted(FILES.keys() - LARGE))
def test_a_file_continues_at_each_bookmark(name: str, zipped: bool) -> None:
    assert_continues(*FILES[name], zipped=zipped)


def test_a_row_that_swallows_others_leaves_a_bookmark_behind_itself() -> None:
    """Otherwise a file with an open quote now and then would have no bookmark at all."""
    whole, _ = read(*FILES["a quote that is open for longer than a row may be"])
    assert isinstance(whole[0][0], BadLine)
    assert whole[0][1] == Bookmark(len(b'id,a\n1,"x\n'), 2)
    rest, _ = read(*FILES["a quote that is open for longer than a row may be"], whole[0][1])
    assert rest == whole[1:]


TEXTS = st.text('",;\n\r\\{}[] aé0', max_size=6)


def _bodies() -> Iterator[st.SearchStrategy[tuple[bytes, Format]]]:
    rows = st.lists(st.one_of(TEXTS, st.builds('{},"{}"'.format, st.integers(0, 9), TEXTS)), max_size=8)
    ends = st.sampled_from(["\n", "\r\n", "\r"])
    yield st.builds(lambda found, end: (end.join(["id,a", *found]).encode(), "csv"), rows, ends)
    items = st.lists(st.one_of(TEXTS, st.builds(lambda a: json.dumps({"id": 1, "a": a}), TEXTS)), max_size=8)
    yield st.builds(lambda found, end: (end.join(['{"id": 0}', *found]).encode(), "jsonl"), items, ends)
    yield st.builds(lambda found: (f"[{','.join(found)}]".encode(), "json"), items)
    yield st.builds(lambda found: ("".join(found).encode(), "json"), items)


@settings(max_examples=150, deadline=None)
@given(st.one_of(*_bodies()), st.booleans(), st.sampled_from([2, 3, 7, 64 * 1024]))
def test_any_file_continues_at_each_bookmark(file: tuple[bytes, Format], zipped: bool, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "_READ_BYTES", piece)
        assert_continues(*file, zipped=zipped)


@settings(max_examples=80, deadline=None)
@given(st.one_of(*_bodies()), st.sampled_from([4, 9, 30]))
@example((b'{"id": 0}\n{', "jsonl"), 4)
def test_lines_longer_than_a_line_may_be_are_bookmarked_too(file: tuple[bytes, Format], longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MAX_LINE_BYTES", longest)
        patch.setattr(splitting, "MAX_LINE_BYTES", longest)
        patch.setattr(tables, "MAX_LINE_BYTES", longest)
        assert_continues(*file)


@pytest.mark.parametrize("longest", range(8, 60))
def test_a_line_end_of_two_bytes_is_one_wherever_reading_pauses(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", longest)
    body = b'{"id":0}\r' + b"\r\n".join(b'{"id":%d}' % n for n in range(1, 12))
    found, _ = read(body, "jsonl")
    assert [line.number for line, _ in found if line] == list(range(1, 13))
    assert_continues(body, "jsonl")
