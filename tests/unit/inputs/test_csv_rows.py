"""CSV files: headers, separators and quotes of every kind; a broken row is reported and affects no other."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.definition.pipeline import load_pipeline
from tailrace.definition.schemas import Schema
from tailrace.errors import InvalidMessage
from tailrace.inputs.lines import BadLine, Line
from tests.unit.inputs.reading import bad_lines, ids, names, read

ORDERS = load_pipeline("tests.pipelines.orders:pipeline").collection("orders").compiled
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@given(st.data())
def test_rows_of_a_csv_writer_are_read_as_written(data: st.DataObject) -> None:
    header = ["id", *data.draw(st.lists(names, unique=True, max_size=3))]
    rows = data.draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=5))
    rows = [[f"i{n}", *row[1:]] for n, row in enumerate(rows)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"]))).writerows([header, *rows])
    found = read(b"\xef\xbb\xbf" + text.getvalue().encode())
    expected = [{name: cell for name, cell in zip(header, row, strict=True) if cell and name != "id"} for row in rows]
    assert [line.item for line in found if isinstance(line, Line)] == expected
    assert len(found) == len(rows)


@pytest.mark.parametrize("last", ["", "\r"])
@pytest.mark.parametrize("name", ["a\nb", 'a""\n""b\n', "x" + "\n" * 3000 + "y", "a\n,b\r\n"])
def test_rows_that_end_with_carriage_returns_may_begin_with_line_feeds_in_a_name(name: str, last: str) -> None:
    """So some spreadsheets on a Mac write them."""
    for before in ("", "\ufeff"):
        found = read(f'{before}"{name}",id\r"x\ny",1\rz,2{last}'.encode())
        name_read = name.replace('""', '"').strip()
        assert [(line.id, line.item) for line in found if isinstance(line, Line)] == [
            ("1", {name_read: "x\ny"}),
            ("2", {name_read: "z"}),
        ]


def test_only_the_first_row_shows_how_rows_end() -> None:
    found = read(b'"a\nb",id\nx,1\ny\rz,2\nx,3\n')
    assert (ids(found), bad_lines(found)) == (["1", "3"], [4])


@pytest.mark.parametrize("row", ['6" x', 'b"', '"6"" x"'])
def test_quotes_within_cells_hide_no_carriage_return(row: str) -> None:
    found = read(f'id,5" pipe\r1,{row}\r2,b'.encode())
    assert [line.item for line in found if isinstance(line, Line)] == [
        {'5" pipe': row.strip('"').replace('""', '"') if row[0] == '"' else row},
        {'5" pipe': "b"},
    ]


def test_a_quote_in_the_header_that_is_not_closed_is_looked_for_in_time() -> None:
    with pytest.raises(InvalidMessage, match="CSV header"):
        read(b'id,"a\n' + b"1,2\n" * 500_000)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [["id", "a", "b\nc"], ["b\nc", "id", "a"], ["a", "b\nc,;\nd", "id"]], ids=str)
def test_the_names_of_columns_may_have_line_breaks(header: list[str], separator: str, end: str) -> None:
    """The first line alone does not show what separates them."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows([header, ["1", "1", "1"], ["2", "2", "x\ny"]])
    found = [line for line in read(text.getvalue().encode()) if isinstance(line, Line)]
    rows = [dict(zip(header, cells, strict=True)) for cells in (["1", "1", "1"], ["2", "2", "x\ny"])]
    assert [{"id": line.id, **line.item} for line in found] == rows


def test_a_cell_may_have_a_nul_after_a_line_break() -> None:
    """Only the first line of a row shows whether the file is UTF-16."""
    for cell in ("a\n\0", "\n\0\t\0", "\na\0b\0"):
        found = read(f'id,name\n1,"{cell}"\n2,b\n'.encode())
        assert [line.item["name"] for line in found if isinstance(line, Line)] == [cell, "b"]
    (bad, *_) = read(b"id,name\n" + '1,"a\n'.encode("utf-16-le") + b"2,b\n")
    assert isinstance(bad, BadLine)
    assert "UTF-16" in bad.violation.message


BROKEN_ROWS = {
    "an unclosed quote": b'x,"a',
    "an unclosed quote at the end": b'x,"',
    "text after a closing quote": b'x,"a"b',
    "an unclosed quote before a closed one": b'x,"a\n2,"b"',
    "bytes that are not UTF-8": b'x,"\xff"',
    "an unclosed quote and bytes that are not UTF-8": b'x,"a\ny,\xff',
    "a very long line": b"x," + b"a" * 3_000_000,
    "an unclosed quote and a very long line": b'x,"a\n' + b"a" * 3_000_000,
    "too many cells": b"x,a,b,c",
    "too few cells": b"x",
    "a carriage return": b"x,a\ry,b",
}


@pytest.mark.parametrize("broken", BROKEN_ROWS)
def test_a_broken_row_affects_no_other(broken: str) -> None:
    rows = b"".join(b"%d,v\n" % n for n in range(100, 110))
    found = read(b"id,name\n1,a\n" + BROKEN_ROWS[broken] + b"\n" + rows)
    assert set(ids(found)) >= {"1", *map(str, range(100, 110))}
    assert "x" not in ids(found)
    assert bad_lines(found)
    assert all(line.violation.message for line in found if isinstance(line, BadLine))


def test_an_unclosed_quote_affects_only_its_own_row() -> None:
    rows = b"".join(b"%d,%s\n" % (n, b"v" * 100) for n in range(30_000))
    found = read(b'id,name\nx,"a\n' + rows)
    assert len(ids(found)) == 30_000
    assert bad_lines(found) == [2]


def test_a_row_may_span_lines_and_has_the_number_of_the_first() -> None:
    found = read(b'id,name\n1,"a\n\n#~,""b"""\n\n\n2,c\n3\n')
    assert [(line.number, line.item) for line in found if isinstance(line, Line)] == [
        (2, {"name": 'a\n\n#~,"b"'}),
        (7, {"name": "c"}),
    ]
    assert bad_lines(found) == [8]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50", 12.5),
        (" +7 ", 7),
        ("-.5", -0.5),
        ("1e2", 100),
        ("1_000", "1_000"),
        ("٣", "٣"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("0x10", "0x10"),
        ("1e9999999999999999999", "1e9999999999999999999"),
    ],
)
def test_only_decimal_numbers_are_converted(text: str, value: Any) -> None:
    (line,) = read(f"id,shop,placed,amount\n1,a,b,{text}\n".encode(), schema=ORDERS)
    assert isinstance(line, Line)
    assert line.item["amount"] == value


HEADERS = {
    "an empty file": b"",
    "no id": b"name\n",
    "a duplicate name": b"id,a,a\n",
    "a column without a name": b"id,,a\n",
    "nothing but separators": b",,\n",
    "bytes that are not UTF-8": b"id,\xff\n",
    "an unclosed quote": b'id,"a\n1,2\n',
    "a very long line": b"id," + b"a" * 3_000_000,
    "a blank line": b"\nid,a\n",
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_file_with_a_missing_or_invalid_header_is_rejected(header: str) -> None:
    with pytest.raises(InvalidMessage, match="^CSV header: "):
        read(HEADERS[header])


SEPARATED = {
    "semicolons": b"id;name;amount\n1;a,b;2\n2;c;\n",
    "tabs": b"id\tname\tamount\n1\ta,b\t2\n2\tc\t\n",
    "bars": b"id|name|amount\n1|a,b|2\n2|c|\n",
    "commas": b'id,name,amount\n1,"a,b",2\n2,c,\n',
    "carriage returns": b'id,name,amount\r1,"a,b",2\r2,c,\r',
    "carriage returns, the last missing": b'id;name;amount\r1;"a,b";2\r2;c;',
    "a byte order mark and semicolons": b"\xef\xbb\xbfid;name;amount\r\n1;a,b;2\r\n2;c;\r\n",
    "a line that names the separator": b"sep=;\r\nid;name;amount\r\n1;a,b;2\r\n2;c;\r\n",
    "a line that names a strange separator": b"\xef\xbb\xbfSEP=^\nid^name^amount\n1^a,b^2\n2^c^\n",
    "a quoted line that names the separator": b'"sep=;"\nid;name;amount\n1;a,b;2\n2;c;\n',
    "the id last": b"amount;name;id\n2;a,b;1\n;c;2\n",
    "quoted names": b'"id";"name";"amount"\n"1";"a,b";"2"\n"2";"c";""\n',
    "trailing empty columns": b'id,name,amount,,\n1,"a,b",2,,\n2,c,,,\n',
    "trailing empty columns, in some rows": b'id,name,amount,, \n1,"a,b",2\n2,c,,\n',
    "trailing empty cells without names": b'id,name,amount\n1,"a,b",2,,\n2,c,,\n',
    "trailing empty rows": b'id,name,amount\n1,"a,b",2\n2,c,\n,,\n,,\n\n',
}


@pytest.mark.parametrize("case", SEPARATED)
def test_a_table_is_read_whatever_separates_its_cells_and_lines(case: str) -> None:
    found = read(SEPARATED[case])
    assert [(line.id, line.item) for line in found if isinstance(line, Line)] == [
        ("1", {"name": "a,b", "amount": "2"}),
        ("2", {"name": "c"}),
    ]
    assert not bad_lines(found)


def test_a_nameless_column_that_is_not_empty_is_reported() -> None:
    found = read(b"id,name,\n1,a,\n2,b,c\n")
    assert (ids(found), bad_lines(found)) == (["1"], [3])


def test_known_columns_decide_the_separator() -> None:
    """A name may hold separators: the most columns would be those of the bars."""
    schema = Schema({"properties": {"shop": {}, "a|b|c|d": {}}})
    (line,) = read(b"id,shop,a|b|c|d\n1,x,y\n", schema=schema)
    assert isinstance(line, Line)
    assert line.item == {"shop": "x", "a|b|c|d": "y"}


def test_a_quoted_cell_may_hold_any_line_break_whatever_ends_the_lines() -> None:
    for end in ("\r", "\n", "\r\n"):
        body = f'id,name{end}1,"a\rb\nc\r\nd"{end}2,e{end}'.encode()
        assert [line.item["name"] for line in read(body) if isinstance(line, Line)] == ["a\rb\nc\r\nd", "e"]


HEADER_ADVICE = {
    b"shop,placed\n": r"no column 'id': add one, or .* id_from; found 'shop,placed'",
    b"shop,,placed\n": "column 2 has no name: name it, or remove it",
    b"id,a,b,a\n": "the column 'a' occurs twice: rename or remove one",
    b"id,Stra\xdfe\n": "not UTF-8.*Latin-1",
    b'sep="\nid"a\n1"x\n': "no column 'id'",
    b"sep=\rid;a\r1;x\r": "no column 'id'",
}


@pytest.mark.parametrize("header", HEADER_ADVICE)
def test_a_header_that_cannot_be_used_says_what_to_do(header: bytes) -> None:
    with pytest.raises(InvalidMessage, match=HEADER_ADVICE[header]):
        read(header)


@pytest.mark.parametrize("header", ["id, shop", " id\t,shop ", '"id ","shop"', "id;shop;", "\ufeffid | shop"])
def test_spaces_around_the_names_of_columns_do_not_count(header: str) -> None:
    separator = ";" if ";" in header else "|" if "|" in header else ","
    (line,) = read(f"{header}\n1{separator}a\n".encode())
    assert isinstance(line, Line)
    assert (line.id, line.item) == ("1", {"shop": "a"})


def test_a_column_may_have_spaces_around_its_name_if_the_schema_has_them() -> None:
    (line,) = read(b"id, shop\n1,a\n", schema=Schema({"properties": {" shop": {"type": "string"}}}))
    assert isinstance(line, Line)
    assert line.item == {" shop": "a"}


@pytest.mark.parametrize("row", [b" ", b"\t", b" , ,", b"\xc2\xa0"])
def test_a_row_of_spaces_is_blank(row: bytes) -> None:
    assert [type(line) for line in read(b"id,shop\n" + row + b"\n1,a\n")] == [Line]


@pytest.mark.parametrize("row", [b'1,"a"b', b'1,"a\\"b"', b"1,a\r2,b"])
def test_a_row_with_wrong_quotes_is_told_how_to_write_them(row: bytes) -> None:
    bad, good = read(b"id,shop\n" + row + b"\n3,c\n")
    assert isinstance(bad, BadLine)
    assert bad.violation.message.endswith("a line break is written in quotes, and each quote in it twice")
    assert isinstance(good, Line)
