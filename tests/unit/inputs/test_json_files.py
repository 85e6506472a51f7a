"""Files of JSON that are no lines: an array, one document, or documents one after another."""

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.definition.schemas import Schema
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.inputs import json_values as splitting
from tailrace.inputs.json_values import json_values
from tailrace.inputs.lines import BadLine, Line, read_lines
from tailrace.inputs.raw_lines import MAX_LINE_BYTES
from tests.strategies import values

OPEN = Schema({"type": "object"})


def read(body: bytes) -> list[Line | BadLine]:
    return list(read_lines(io.BytesIO(body), "json", OPEN))


def outcome(found: list[Line | BadLine]) -> list[str | int]:
    """Return the ids of what was read, and the numbers of what was not."""
    return [line.id if isinstance(line, Line) else line.number for line in found]


FORMS = {
    "an array": b'[{"id":"1"},{"id":"2"}]',
    "an array on lines": b'[\n  {"id": "1"},\n  {"id": "2"}\n]\n',
    "an indented array": json.dumps([{"id": "1"}, {"id": "2"}], indent=2).encode(),
    "a marked array": b'\xef\xbb\xbf \r\n[{"id":"1"} , {"id":"2"}]\n\n',
    "an array with two marks": b'\xef\xbb\xbf\xef\xbb\xbf[{"id":"1"},{"id":"2"}]',
    "lines": b'{"id":"1"}\n{"id":"2"}\n',
    "carriage returns": b'{"id":"1"}\r{"id":"2"}\r',
    "documents one after another": b'{"id":"1"}{"id":"2"}',
    "indented documents": b'{\n "id": "1"\n}\n{\n "id": "2"\n}\n',
    "an array without its brackets": b'{"id":"1"},\n{"id":"2"}\n',
    "an array without its brackets, with a comma at the end": b'{"id":"1"} , {"id":"2"},',
    "strings that look like brackets": b'[{"id":"1","a":"]}],{\\"[{,"},{"id":"2","b":["\\\\",{}]}]',
    "much space": b" " * 2_000_000 + b"[" + b'{"id":"1"},' + b"\n" * 2_000_000 + b'{"id":"2"}]' + b" " * 2_000_000,
}


@pytest.mark.parametrize("form", FORMS)
def test_items_are_read_from_any_form(form: str) -> None:
    assert outcome(read(FORMS[form])) == ["1", "2"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 64])
def test_any_number_of_marks_is_skipped_wherever_the_pieces_end(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_READ_BYTES", size)
    assert outcome(read(b"\xef\xbb\xbf" * 3 + FORMS["lines"])) == ["1", "2"]


def test_one_document_is_one_item() -> None:
    (line,) = read(b'{\n  "id": 7,\n  "a": {"b": [1, 2]}\n}\n')
    assert isinstance(line, Line)
    assert (line.number, line.id, line.item) == (1, "7", {"a": {"b": [1, 2]}})


@pytest.mark.parametrize("body", [b"", b" \n", b"[]", b"[ ]\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf[\n]"])
def test_a_file_without_items_has_none(body: bytes) -> None:
    assert read(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"id":"1"},7,{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},,{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},{"a":1,"a":2},{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},{"id":"\xff"},{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},{id:2},{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},{"a":[1}],{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},[{"id":"2"}],{"id":"3"}]', ["1", 2, "3"]),
        (b'[{"id":"1"},"' + b"x" * 3_000_000 + b'",{"id":"3"}]', ["1", 2, "3"]),
        (b'{"id":"1"}\nnull\n{"id":"3"}', ["1", 2]),
        (b'[{"id":"1"},]', ["1"]),
        (b'{"id":"1"}]', ["1", 2]),
        (b'{"id":"1"}}\n{"id":"3"}', ["1", 2, "3"]),
        (b'[{"id":"1"},{"id":"2"}},{"id":"3"}]', ["1", 2, "3"]),
        (b"no JSON", [1]),
        (b"id,name\n1,a\n", [1, 2, 3]),
    ],
    ids=range(15),
)
def test_a_bad_item_is_reported_by_its_position(body: bytes, expected: list[str | int]) -> None:
    assert outcome(read(body)) == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"id":"1"},{"id":"2"}', "ends in the middle"),
        (b'[{"id":"1"},{"id":"2', "ends in the middle"),
        (b'[{"id":"1"},', "ends in the middle"),
        (b"[", "ends in the middle"),
        (b'{"id":"1"}{"id":', "ends in the middle"),
        (b'[{"id":"1"}}', "ends in the middle"),
        (b'[{"id":"1"}] {"id":"2"}', "continues after"),
        (b'[{"id":"1"}],', "continues after"),
        (b'[{"id":"1"}]' + b" " * 100_000 + b"[]", "continues after"),
    ],
    ids=range(9),
)
def test_a_file_that_is_not_whole_says_so_and_what_was_read_is_kept(body: bytes, reason: str) -> None:
    found = read_lines(io.BytesIO(body), "json", OPEN)
    seen: list[Line] = []
    with pytest.raises(InvalidMessage, match=reason):
        seen.extend(line for line in found if isinstance(line, Line))
    assert all(line.id in "12" for line in seen)


@pytest.mark.parametrize("opened", [b'{"a":', b'["', b'{"id":"2'])
def test_an_item_without_an_end_is_not_read_to_the_end_of_the_file(
    opened: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "MAX_SKIPPED_BYTES", 2 * MAX_LINE_BYTES)
    stream = io.BytesIO(b'[{"id":"1"},' + opened + b"{1},[2]" * 1_000_000)
    found = read_lines(stream, "json", OPEN)
    assert outcome([next(found)]) == ["1"]
    with pytest.raises(InvalidMessage, match=r"longer than 2097152 bytes: a bracket or quote in it is never closed"):
        next(found)
    assert stream.tell() < 3 * MAX_LINE_BYTES


@given(st.lists(values, max_size=5), st.integers(1, 40), st.sampled_from([None, 0, 2]), st.booleans())
def test_any_values_are_told_apart_wherever_the_pieces_end(
    items: list[Any], size: int, indent: int | None, separated: bool
) -> None:
    texts = [dumps({"v": item}) for item in items]
    if indent is not None:
        texts = [json.dumps(json.loads(text), indent=indent, ensure_ascii=False) for text in texts]
    body = (" \n".join(texts) if separated else f"[{','.join(texts)}]").encode()
    before = splitting._READ_BYTES
    splitting._READ_BYTES = size
    try:
        found = [value for _, value, _ in json_values(io.BytesIO(body))]
    finally:
        splitting._READ_BYTES = before
    assert found == [text.encode() for text in texts]


def test_an_array_of_any_length_takes_bounded_memory() -> None:
    class Long(io.RawIOBase):
        left = 64 * MAX_LINE_BYTES

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            piece = (b"[" if self.left == 64 * MAX_LINE_BYTES else b"") + b'{"id":"1","a":"' + b"x" * 5000 + b'"},'
            count = min(len(piece), self.left, len(buffer))
            buffer[:count] = piece[:count]
            self.left -= count
            return count

    tracemalloc.start()
    try:
        with pytest.raises(InvalidMessage, match="ends in the middle"):
            for _ in json_values(io.BufferedReader(Long(), 16384)):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_LINE_BYTES
