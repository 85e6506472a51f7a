"""Collections with keys of their own: mistakes in a definition, and what a row is."""

import json
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from tailrace import Collection, Pipeline
from tailrace.backfill.fingerprints.meaning import collection_fingerprint
from tailrace.definition.item_keys import Identity
from tailrace.encoding.digests import item_digest
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.errors import DefinitionError, InvalidItem, InvalidMessage

ORDER = {"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}"}
LINE = {"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}#LINE#{line}"}


def collection(name: str = "orders", key: Any = ORDER, **others: Any) -> Collection:
    return Collection(name, schema=others.pop("schema", {}), key=key, **others)


def pipeline(*collections: Collection, **others: Any) -> Pipeline:
    return Pipeline(collections, **others)


def identity(found: Pipeline, row: dict[str, Any]) -> Identity | None:
    assert found.keys is not None
    image = encode_item(row)
    return found.keys.identify(image, image)


CLOSED = {"properties": {"order": {}}, "additionalProperties": False}
MISTAKES: dict[str, tuple[Any, str]] = {
    "no attribute": (lambda: collection(key={}), "key= must be a dict"),
    "a text": (lambda: collection(key="ORDER#{order}"), "key= must be a dict"),
    "three attributes": (lambda: collection(key=dict.fromkeys("abc", "{x}")), "one or two key attributes"),
    "no placeholder": (lambda: collection(key={"PK": "ORDERS"}), "no placeholder"),
    "an empty template": (lambda: collection(key={"PK": "{a}", "SK": ""}), "empty"),
    "a number with a fraction in binary": (lambda: collection(key={"PK": "{a}", "SK": 1.5}), "1.5"),
    "two placeholders without a separator": (lambda: collection(key={"PK": "{a}{b}"}), "nothing separates {a} and {b}"),
    "a single brace": (lambda: collection(key={"PK": "{a}#}"}), "single '}'"),
    "a placeholder without a name": (lambda: collection(key={"PK": "A#{}"}), "'{}' is not a placeholder"),
    "an unknown type": (lambda: collection(key={"PK": "{a:int}"}), "'{a:int}' is not a placeholder"),
    "spaces around a name": (lambda: collection(key={"PK": "A#{ a }"}), "'{ a }' is not a placeholder"),
    "a number beside a text": (lambda: collection(key={"PK": "A#{a:number}"}), "nothing else"),
    "a text before a number": (lambda: collection(key={"PK": "{a}#{b:number}"}), "nothing else"),
    "a field of two types": (lambda: collection(key={"PK": "{a}", "SK": "{a:number}"}), "{a} is of two types"),
    "a field that the schema forbids": (lambda: collection(schema=CLOSED), "'customer'"),
    "the TTL attribute as a field": (
        lambda: collection(ttl="order"),
        "'order' is the table's TTL attribute, not a field: rename the placeholder",
    ),
    "the TTL attribute in the key": (lambda: collection(ttl="SK"), "ttl="),
    "a match without a value": (lambda: collection(match={"entity": None}), "match="),
    "a number in match that no item has": (lambda: collection(match={"v": 10**40 + 1}), "/v: the number has 41"),
    "no number in match": (lambda: collection(match={"v": Decimal("NaN")}), "collection 'orders': NaN"),
    "no number in a key": (lambda: collection(key={"PK": "{a}", "SK": Decimal("NaN")}), "collection 'orders': NaN"),
    "half a character in match": (lambda: collection(match={"v": "\ud800"}), "/v: the string contains an unpaired"),
    "a float in match": (lambda: collection(match={"v": 1.5}), "match="),
    "strict that is no truth value": (lambda: pipeline(collection(), strict="yes"), "strict="),
    "two tables": (lambda: pipeline(collection(), collection("x", {"PK": "X#{x}"})), "one key for all"),
    "other types": (lambda: pipeline(collection("y", {"k": "{y:number}"}), collection("x", {"k": "{x}"})), "(number)"),
    "a plain collection beside": (lambda: pipeline(collection(), Collection("x", schema={})), "one key for all"),
    "two TTL attributes": (lambda: pipeline(collection(), collection("x", LINE, ttl="end")), "one TTL attribute"),
    "an overlap": (
        lambda: pipeline(collection(), collection("lines", LINE | {"SK": "ORDER#{order+}"})),
        "overlap: both match the key {'PK': 'CUSTOMER#a', 'SK': 'ORDER#a'}",
    ),
    "an overlap by equal fields": (
        lambda: pipeline(
            collection("x", {"PK": "U#{u}", "SK": "U#{u}"}), collection("y", {"PK": "U#{u}", "SK": "{s+}"})
        ),
        "both match the key {'PK': 'U#a', 'SK': 'U#a'}",
    ),
    "an overlap with a plain collection": (
        lambda: pipeline(collection("x", {"pk": "{a}#{b}"}), Collection("things", schema={})),
        "'things#a'",
    ),
    "an overlap that match does not resolve": (
        lambda: pipeline(collection(match={"a": 1}), collection("x", ORDER, match={"b": 1})),
        "overlap",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_error(mistake: str) -> None:
    make, told = MISTAKES[mistake]
    with pytest.raises(DefinitionError) as failure:
        make()
    assert told in str(failure.value)


def test_separators_tell_items_of_one_partition_apart() -> None:
    found = pipeline(collection(), collection("lines", LINE))
    order = {"PK": "CUSTOMER#c-1", "SK": "ORDER#2024-01-01"}
    assert identity(found, order) == ("orders", "c-1/2024-01-01", {"customer": "c-1", "order": "2024-01-01"})
    line = identity(found, order | {"SK": "ORDER#7#LINE#1/2"})
    assert line == ("lines", "c-1/7/1~12", {"customer": "c-1", "order": "7", "line": "1/2"})
    for sort_key in ("ORDER#", "ORDER#7#LINE#", "ORDER#7#", "order#7", "ORDER#7#LINE#1#2", " ORDER#7"):
        assert identity(found, order | {"SK": sort_key}) is None


def test_collections_of_equal_keys_are_told_apart_by_an_attribute() -> None:
    keys = {"PK": "{pk+}", "SK": "{sk+}"}
    found = pipeline(collection("a", keys, match={"entity": "A", "v": 1}), collection("b", keys, match={"entity": "B"}))
    row = {"PK": "x#1", "SK": "y#2"}
    names = [
        one and one.collection
        for one in (
            identity(found, row | others)
            for others in (
                {"entity": "A", "v": Decimal("1.0")},
                {"entity": "B"},
                {"entity": "A", "v": True},
                {"v": 1},
                {},
            )
        )
    ]
    assert names == ["a", "b", None, None, None]


def test_true_and_1_tell_collections_apart() -> None:
    keys = {"PK": "{a}"}
    found = pipeline(collection("a", keys, match={"v": True}), collection("b", keys, match={"v": 1}))
    names = [
        one and one.collection for one in (identity(found, {"PK": "x", "v": v}) for v in (True, 1, Decimal("1.0")))
    ]
    assert names == ["a", "b", "b"]


class Level(int, Enum):
    """A number whose text is its name."""

    HIGH = 3


class Kind(str, Enum):  # noqa: UP042 - the text of a StrEnum is its value
    """A text whose ``str()`` is its name."""

    ORDER = "Order"


def test_a_member_of_an_enum_is_its_value_in_a_row() -> None:
    orders = collection(match={"level": Level.HIGH, "kind": Kind.ORDER})
    row = encode_item(orders.keys.row("c/1", {}))
    assert json.dumps([row["level"], row["kind"]]) == '[{"N": "3"}, {"S": "Order"}]'
    stored = {name: value for name, value in decode_item(row).items() if name not in ORDER}
    assert item_digest(orders.keys.completed("c/1", {})) == item_digest(stored | {"customer": "c", "order": "1"})
    assert identity(pipeline(orders), {"PK": "CUSTOMER#c", "SK": "ORDER#1", "level": 3, "kind": "Order"})
    assert not identity(pipeline(orders), {"PK": "CUSTOMER#c", "SK": "ORDER#1", "level": 2, "kind": "Order"})


def test_a_sentinel_is_no_item_of_any_collection() -> None:
    found = pipeline(collection("things", {"pk": "{a}#{b+}"}))
    assert identity(found, {"pk": "~sentinel#x#1"}) is None
    assert identity(found, {"pk": "~sentinels#x#1"}) is not None


def test_numbers_and_binary_are_keys_of_their_own_type() -> None:
    found = pipeline(collection("readings", {"device": "{device:binary}", "at": "{at:number}"}))
    row = {"device": b"\xff\x00", "at": Decimal("1700000000.25")}
    assert identity(found, row) == ("readings", "_wA/1700000000.25", row)
    assert identity(found, row | {"at": "1700000000.25"}) is None
    key = found.collections[0].keys
    assert key.key_of("_wA/1700000000.25") == row
    for other in ("_wA/1700000000.250", "_wA/1.70000000025e9", "_wA=/1", "/wA/1", "_wA/", "_wA", "_wA/1/1", ""):
        with pytest.raises(InvalidMessage):
            key.key_of(other)


def test_fields_are_those_of_the_key_and_the_attributes_that_are_not_the_tables() -> None:
    found = pipeline(collection(ttl="ends"))
    row = {"PK": "CUSTOMER#c", "SK": "ORDER#1", "ends": 5, "pk": "x", "expires_at": 7, "customer": "Bob", "paid": True}
    image = encode_item(
        row | {"aws:rep:deleting": False, "aws:rep:updatetime": 1, "aws:rep:updateregion": "x", "~etag": ""}
    )
    assert found.keys is not None
    one = found.keys.identify(image, image)
    assert one is not None
    fields = {"customer": "c", "order": "1", "pk": "x", "expires_at": 7, "paid": True}
    assert found.keys.decode(one, image) == fields


def test_a_row_is_made_of_an_id_and_fields() -> None:
    keys = collection(match={"entity": "Order"}).keys
    row = {"PK": "CUSTOMER#c", "SK": "ORDER#1", "entity": "Order", "paid": True}
    assert keys.row("c/1", {"paid": True}) == row
    assert keys.row("c/1", {"paid": True, "order": "1", "entity": "Order"}) == row
    for other in ({"order": "2"}, {"order": 1}, {"entity": "Return"}):
        with pytest.raises(InvalidItem):
            keys.row("c/1", other)
    for item_id in ("c", "c/1/2", "c/1#2", "c/", "c#d/1"):
        with pytest.raises(InvalidMessage):
            keys.row(item_id, {})


def test_another_value_in_a_field_is_told_by_its_json_pointer() -> None:
    keys = collection(key={"PK": "C#{customer/id}"}, match={"~kind": "order"}).keys
    with pytest.raises(InvalidItem) as raised:
        keys.row("7", {"customer/id": "8", "~kind": "line"})
    assert [violation.pointer for violation in raised.value.violations] == ["/customer~1id", "/~0kind"]


def test_keys_match_and_ttl_are_part_of_the_meaning() -> None:
    plain = Collection("orders", schema={})
    others = [
        plain,
        collection(),
        collection(key=ORDER | {"SK": "O#{order}"}),
        collection(key=dict(reversed(ORDER.items()))),
        collection(match={"entity": "Order"}),
        collection(match={"entity": 1}),
        collection(match={"entity": True}),
        collection(match={"entity": "1"}),
        collection(ttl="ends"),
        collection(key={"PK": "{a}", "SK": 1}),
        collection(key={"PK": "{a}", "SK": b"1"}),
    ]
    assert len({collection_fingerprint(one) for one in others}) == len(others)


def test_existing_tables_are_not_strict_unless_asked() -> None:
    assert pipeline(Collection("x", schema={})).keys is None
    lax = pipeline(Collection("x", schema={}), strict=False).keys
    assert lax is not None
    assert not lax.strict
    own, strict = pipeline(collection()).keys, pipeline(collection(), strict=True).keys
    assert own is not None
    assert strict is not None
    assert (own.strict, strict.strict) == (False, True)
