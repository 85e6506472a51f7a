"""CSV files in which many lines leave a quote open: none is parsed more often than it has to be."""

import io
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.inputs.csv_rows import UNREADABLE_ROW, CsvReader
from tailrace.inputs.raw_lines import Bookmark
from tests.unit.inputs.reading import bad_lines, ids, read


def test_rows_that_all_leave_a_quote_open_take_linear_time() -> None:
    """The first quote of each line ends the last cell of the line before, and the second one begins another."""
    open_rows = b'7",",\n' * 200_000  # more than one row may have
    began = time.process_time()
    found = read(b"id,a,b\n" + open_rows + b'1"x,",\n7",a\n' + open_rows + b"2,a,b\n")
    assert time.process_time() - began < 60
    assert ids(found) == ['1"x', "2"]
    assert bad_lines(found) == [*range(2, 200_002), *range(200_004, 400_004)]


PIECES = [
    b'"',
    b'"',
    b"a",
    b",",
    b"\n",
    b"\n",
    b'a",",\n',
    b'a","b\n',
    b'""',
    b"\xff",
    b"\xef\xbb\xbf",
    b"b" * 9,
    b"\r\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join), st.integers(6, 40))
def test_what_is_known_of_open_rows_changes_nothing(body: bytes, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tailrace.inputs.csv_rows.MAX_LINE_BYTES", longest)
        patch.setattr("tailrace.inputs.raw_lines.MAX_LINE_BYTES", longest)
        assert _outcomes(body, forgets=False) == _outcomes(body, forgets=True)


def _outcomes(body: bytes, *, forgets: bool) -> list[Any]:
    """Return the rows after a header, and why others fail; a reader that is sent to each line forgets all others."""
    rows = CsvReader(io.BytesIO(b"a,b\n" + body), set())
    found: list[Any] = []
    while True:
        try:
            found.append(rows.read())
        except StopIteration:
            return found
        except UNREADABLE_ROW as error:
            number, line, end = rows.skip_row()
            found.append((number, line, str(error)))
            if forgets:
                rows.go_to(Bookmark(end, number))
