"""Ids of lines without one: made from fields or from the whole line, the same for the same content."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Collection
from tailrace.definition.schemas import Schema
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import DefinitionError, InvalidMessage
from tailrace.inputs.ids import made_id
from tailrace.inputs.lines import BadLine, Format, Line, read_lines
from tests.strategies import values

SCHEMA = Schema(
    {
        "properties": {
            "shop": {"type": "string"},
            "n": {"type": "integer"},
            "x": {"type": "number"},
            "b": {"type": "boolean"},
        }
    }
)


def read(body: str, *columns: str, form: Format = "csv") -> list[Line | BadLine]:
    return list(read_lines(io.BytesIO(body.encode()), form, SCHEMA, columns))


def ids(found: list[Line | BadLine]) -> list[str | int]:
    return [line.id if isinstance(line, Line) else line.number for line in found]


def test_fields_make_an_id() -> None:
    assert ids(read("shop,n,x\na,1,2\nb,7,3\n", "n")) == ["1", "7"]
    assert ids(read("shop,n,x\na,1,2.50\nb,7,3\n", "shop", "x")) == ["a/2.5", "b/3"]
    assert ids(read("shop;n;b\na/b;1;TRUE\n~;7;false\n", "shop", "b")) == ["a~1b/true", "~0/false"]
    assert ids(read("shop\na/b\n~\n", "shop")) == ["a/b", "~"]


@pytest.mark.parametrize("zero", ["0", "-0", "0.0", "-0.00", "0e200", "-0e999", "0E+99999", "0e-999"])
def test_every_zero_makes_one_id(zero: str) -> None:
    written: dict[Format, str] = {"csv": f"shop,x\na,{zero}\n", "jsonl": f'{{"shop":"a","x":{zero}}}\n'}
    for form, body in written.items():
        assert ids(read(body, "x", form=form)) == ["0"]
        assert ids(read(body, "shop", "x", form=form)) == ["a/0"]
        assert ids(read(body, "*", form=form)) == ids(read("shop,x\na,0\n", "*"))


def test_it_does_not_matter_how_a_line_is_written() -> None:
    table = ids(read("x,shop,n\n1.50,a,7\n", "*"))
    assert table == ids(read("shop,n,x,b\na,+7,15e-1,\n", "*"))
    assert table == ids(read('{"n":7.0,"x":1.5,"shop":"a"}\n', "*", form="jsonl"))
    assert table == ids(read('[{"shop":"a","n":7,"x":1.500,"expires_at":1900000000}]', "*", form="json"))
    assert table != ids(read("x,shop,n\n1.5,a,8\n", "*"))
    assert len(str(table[0])) == 32


def test_an_id_that_is_given_counts() -> None:
    body = '{"id":"7","shop":"a"}\n{"id":"","shop":"b"}\n{"id":null,"shop":"c"}\n{"shop":"d"}\n'
    assert ids(read(body, "shop", form="jsonl")) == ["7", "b", "c", "d"]
    assert ids(read("id,shop\n7,a\n,b\n", "shop")) == ["7", "b"]


@pytest.mark.parametrize(
    "line", ['{"n":1}', '{"shop":""}', '{"shop":null}', '{"shop":["a"]}', '{"shop":{}}', '{"id":[1],"shop":"a"}']
)
def test_a_line_that_cannot_make_its_id_is_reported(line: str) -> None:
    (found,) = read(line, "shop", form="jsonl")
    assert isinstance(found, BadLine)
    assert (found.violation.pointer, found.violation.keyword) == ("/id", "id")


@pytest.mark.parametrize("line", ['{"x":1e999999999}', '{"x":' + '{"a":' * 940 + "1" + "}" * 941])
@pytest.mark.parametrize("columns", ["x", "*"])
def test_content_that_cannot_be_digested_is_reported(line: str, columns: str) -> None:
    (found,) = read(line, columns, form="jsonl")
    assert isinstance(found, BadLine | Line)


def test_a_table_without_the_columns_of_an_id_says_what_is_missing() -> None:
    with pytest.raises(InvalidMessage, match="no column 'id', and there is no column 'n', from which the id is made"):
        read("shop,x\na,1\n", "shop", "n")
    with pytest.raises(InvalidMessage, match="no column 'id', and there are no columns 'n' and 'm', from which"):
        read("shop,x\na,1\n", "shop", "n", "m")


texts = st.text("ab/~01#", min_size=1, max_size=4)


@given(st.lists(texts, min_size=2, max_size=3), st.lists(texts, min_size=2, max_size=3))
def test_different_values_never_make_the_same_id(one: list[str], other: list[str]) -> None:
    if len(one) == len(other):
        columns = [f"c{n}" for n in range(len(one))]
        made = [made_id(dict(zip(columns, given, strict=True)), columns) for given in (one, other)]
        assert (made[0] == made[1]) == (one == other)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), values, max_size=3))
def test_the_same_item_makes_the_same_id_whatever_the_order_of_its_fields(item: dict[str, Any]) -> None:
    turned = dict(reversed(item.items()))
    assert made_id(item, ["*"]) == made_id(turned, ["*"])
    item_line, turned_line = (read(dumps(given), "*", form="jsonl") for given in (item, turned))
    assert ids(item_line) == ids(turned_line)


@pytest.mark.parametrize("id_from", ["id", "", ("a", "a"), ("a", ""), ("*", "a"), ("a", "id"), (1,), "unknown"])
def test_a_definition_that_cannot_make_ids_is_refused(id_from: Any) -> None:
    schema = {"properties": {"a": {}, "id": {}}, "additionalProperties": False}
    with pytest.raises(DefinitionError, match="id_from="):
        Collection("things", schema=schema, id_from=id_from)


@pytest.mark.parametrize(("id_from", "columns"), [((), ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ("*", ("*",))])
def test_a_definition_names_the_fields_of_ids(id_from: Any, columns: tuple[str, ...]) -> None:
    schema = {"properties": {"a": {}, "b": {}}, "additionalProperties": False}
    assert Collection("things", schema=schema, id_from=id_from).id_columns == columns


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "1e126", "1" * 39])
@pytest.mark.timeout(5)
def test_a_number_that_no_table_stores_makes_no_id(number: str) -> None:
    (found,) = read(f'{{"x":{number}}}', "x", form="jsonl")
    assert isinstance(found, BadLine)
    assert "a number that DynamoDB cannot store" in found.violation.message


def test_the_fields_in_a_key_have_its_types_in_a_csv_file_and_make_the_id() -> None:
    keys = Collection("x", schema={}, key={"PK": "S#{shop}", "SK": "{id:number}"}).keys
    body = io.BytesIO(b"shop,id,note\n7,0.00000015,1\n8,007,2\n")
    first, second = read_lines(body, "csv", Schema({}), tuple(keys.fields), keys=keys)
    assert isinstance(first, Line)
    assert isinstance(second, Line)
    assert (first.id, second.id) == ("7/0.00000015", "8/7")
    assert keys.completed(first.id, first.item) == first.item
    assert keys.row(second.id, second.item) == {"PK": "S#8", "SK": 7, "note": "2"}
    (lacking,) = read_lines(io.BytesIO(b'{"id": 7}'), "jsonl", Schema({}), tuple(keys.fields), keys=keys)
    assert isinstance(lacking, BadLine)
