"""JSON as it comes in: one meaning for every reader, or refused; and how it is written."""

import json
import time
import tracemalloc
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import canonical_json, dumps, loads, loads_foreign, loads_own
from tailrace.errors import InvalidMessage

TWICE = {
    '{"a":1,"a":1}': "a",
    '{"a":1,"b":2,"a":3}': "a",
    '{"a":1,"\\u0061":2}': "a",
    '{"n":{"b":{"x y":1,"x y":null}}}': "x y",
    '[[{"":1,"":2}]]': "",
    '{"é":1,"\\u00e9":2}': "\\u00e9",
    '{"a\\n":1,"a\\n":2}': "a\\n",
    '{"~set":[1],"~set":[2]}': "~set",
    '{"~map":{"~set":1,"~set":2}}': "~set",
    '{"' + "x" * 70_000 + '":1,"' + "x" * 70_000 + '":2}': "x" * 60,
    '{"\\ud800":1,"\\ud800":2}': "\\ud800",
}


@pytest.mark.parametrize("text", TWICE, ids=range(len(TWICE)))
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_object_with_a_name_twice_is_refused_with_the_name(text: str, mark: str) -> None:
    for form in (mark + text, (mark + text).encode()):
        with pytest.raises(InvalidMessage) as caught:
            loads(form)
        assert str(caught.value) == f'the name "{TWICE[text]}" occurs more than once in an object'


@pytest.mark.parametrize("text", ['{"a":1,"A":2}', '{"é":1,"e\\u0301":2}', '[{"a":1},{"a":1}]', '{"a":{"a":1}}'])
def test_names_that_differ_are_kept(text: str) -> None:
    assert loads(text) == json.loads(text)


def test_a_name_twice_among_very_many_is_found_at_once() -> None:
    names = ",".join(f'"{n}":0' for n in range(300_000))
    with pytest.raises(InvalidMessage, match='the name "299999"'):
        loads(f'{{{names},"299999":1}}')


@pytest.mark.parametrize("text", ['{"a":1}', "[1]", "7"])
def test_a_byte_order_mark_is_skipped(text: str) -> None:
    for marked in ("\ufeff" + text, "\ufeff\ufeff" + text, b"\xef\xbb\xbf" + text.encode()):
        assert loads(marked) == json.loads(text)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('{"a":1}'.encode("utf-16"), "UTF-16.*; encode it as UTF-8"),
        ('{"a":1}'.encode("utf-16-be"), "UTF-16"),
        ('{"a":"é"}'.encode("utf-16-le"), "UTF-16"),
        ('{"a":1}'.encode("utf-32"), "UTF-32"),
        ('{"name":"Zoë"}'.encode("latin-1"), "byte 12 is 0xeb.*Latin-1"),
        (b"\x1f\x8b\x08\x00", "gzip; unpack it"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    ],
)
def test_another_encoding_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason):
        loads(data)


@pytest.mark.parametrize("number", ["9" * 4301, "-" + "1" * 5000])
def test_an_integer_that_is_too_long_is_refused_in_words_for_its_sender(number: str) -> None:
    reason = "^not JSON that can be read: an integer of more than 4300 digits$"
    with pytest.raises(InvalidMessage, match=reason):
        loads(f'{{"a":[{number}]}}')


class Color(str, Enum):  # noqa: UP042 - a StrEnum would be written as its text anyway
    """A text with a name, which is what ``str()`` makes of it."""

    RED = "red"


class Sku(str):
    """A text of a type of its own."""

    __slots__ = ()


def test_a_text_of_another_type_is_written_as_its_text() -> None:
    item = {"color": Color.RED, "skus": [Sku("a")], "set": {Sku("b"), Color.RED}}
    assert dumps(item) == '{"color":"red","skus":["a"],"set":{"~set":["b","red"]}}'
    row = msgspec.json.decode(msgspec.json.encode(encode_item(item)))  # as requests are written
    assert row == {"color": {"S": "red"}, "skus": {"L": [{"S": "a"}]}, "set": {"SS": ["b", "red"]}}
    assert canonical_json(item["color"]) == '"Color.RED"'  # fingerprints of schemas that list an enum's members stay


@pytest.mark.parametrize("deep", ["[" * 30 + "]" * 30, '{"":' * 30 + "0" + "}" * 30])
def test_a_text_of_many_brackets_is_parsed_without_a_copy(deep: str) -> None:
    """Two million brackets, which fit in one request, take half of the API's memory without one."""
    text, peaks = f"[{','.join([deep] * 500)}]", []
    for parse in (json.loads, loads_foreign):
        tracemalloc.start()
        parse(text)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("form", "rest"), [('{"a":{"~set":[%s]}}', ""), ('{"a":[{"\\u007eset":[%s]}]}', ""), ('{"~set":[%s]}', ".5")]
)
def test_a_set_whose_numbers_collide_is_refused_at_once(form: str, rest: str) -> None:
    """To compare 30,000 of them with each other takes half a minute."""
    colliding = [f"{number * (2**61 - 1)}{rest}" for number in range(30_000)]
    began = time.process_time()
    with pytest.raises(InvalidMessage, match="numbers whose hashes are equal"):
        loads_foreign(form % ",".join(colliding))
    assert time.process_time() - began < 2
    few, many = form % ",".join(colliding[:50]), form % ",".join(map(str, range(30_000)))
    assert (loads_foreign(few), loads_foreign(many)) == (loads(few), loads(many))
    assert loads_foreign('{"~set":1}') == {"~set": 1}


@pytest.mark.parametrize("members", ["1, true", "true, 1", "0, false", "true", "[]", "{}"])
def test_a_set_loses_no_member_that_it_cannot_have(members: str) -> None:
    with pytest.raises(InvalidMessage, match="a set may contain only strings, numbers and binary values"):
        loads(f'{{"tags": {{"~set": [{members}]}}}}')


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["~set", "~map", "~bytes", '"~set"', "\\u007e"]
)
numbers = st.integers() | st.integers(-(10**40), 10**40) | st.decimals(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts | st.binary()
values = st.recursive(
    scalars | st.sets(numbers) | st.sets(texts),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


def canonical(value: Any) -> Any:
    """Return a value with each number in the type that every reader returns."""
    return json.loads(canonical_json(value), parse_float=Decimal)


@given(values)
def test_what_is_written_is_read_as_it_was_by_each_reader(value: Any) -> None:
    written = dumps(value)
    own, read = loads_own(written.encode()), loads(written)
    assert canonical(own) == canonical(read) == canonical(value)
    assert repr(sorted_sets(own)) == repr(sorted_sets(read))


def sorted_sets(value: Any) -> Any:
    """Return a value with lists instead of sets, so that its text also shows the types of numbers."""
    if isinstance(value, dict):
        return {name: sorted_sets(inner) for name, inner in value.items()}
    if isinstance(value, set):
        return [set, sorted(map(repr, value))]
    return [sorted_sets(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("tagged", ['{"~bytes":"YQ=="}', '{"\\u007ebytes":"YQ=="}', '{"\\u007Ebytes":"YQ=="}'])
@pytest.mark.parametrize("around", ["%s", '{"a":[1,%s]}', "[" * 60 + "%s" + "]" * 60])
def test_a_tag_is_found_however_it_is_written(tagged: str, around: str) -> None:
    text = around % tagged
    for found in (loads(text), loads_own(text.encode())):
        assert "b'a'" in repr(found)
        assert "~bytes" not in repr(found)


@pytest.mark.parametrize("text", [b"", b"[1,]", b'{"a":"\xff"}', b'{"~set":[[]]}', b'{"~bytes":"?"}', b"[" * 100_000])
def test_own_text_that_was_damaged_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidMessage):
        loads_own(text)
