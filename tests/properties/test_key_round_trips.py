"""An item of an existing table on every way that its key takes: fields, key, row, id, URL and back, or a refusal."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tailrace import Collection, DefinitionError, Pipeline
from tailrace.aws.items.rows import StoredItem, stored_item, validated_row
from tailrace.definition.item_ids import fields_of_id
from tailrace.definition.item_keys import CollectionKey
from tailrace.encoding.keys import item_key, split_item_key
from tailrace.errors import InvalidItem, InvalidMessage
from tailrace.http.requests import decode_item_id, item_path, with_escaped_item_id
from tailrace.inputs.ids import made_id
from tests import strategies
from tests.properties.key_texts import attributes, fields, look_alikes

keys = st.one_of(
    st.fixed_dictionaries({"PK": attributes}),
    st.fixed_dictionaries({"a": attributes}),
    st.builds(lambda one, other: {"PK": one, "SK": other}, attributes, attributes),
    st.builds(lambda one, other: {"b": one, "n": other}, attributes, attributes),
)
others = st.dictionaries(st.sampled_from(["PK", "SK", "a", "b", "n", "ends", "pk", "expires_at", "x"]), look_alikes)


def of_url(url: str) -> str:
    """Return the id in a URL, as it arrives through a gateway that decodes the path."""
    path, _, query = url.partition("?")
    if query:
        return parse_qs(query, strict_parsing=True)["id"][0]
    escaped = with_escaped_item_id({"rawPath": unquote(path)})["rawPath"]
    return decode_item_id(escaped.partition("/items/")[2])


@given(keys, fields, others)
@example({"PK": "C#{a}", "SK": "O#{b}"}, {"a": "x/~1", "b": "~0/"}, {})
@example({"PK": "{a}"}, {"a": "é"}, {})
@example({"PK": "{a}"}, {"a": "e\u0301"}, {})
@example({"PK": "{a}"}, {"a": "../%2F?#\\"}, {})
@example({"PK": "{a}"}, {"a": "x" * 2048}, {})
@example({"PK": "X", "SK": "{a}"}, {"a": "é" * 512}, {})
@example({"a": "A#{a}"}, {"a": "1"}, {"a": "1", "PK": "2"})
def test_what_is_accepted_comes_back_exactly(key: dict[str, Any], given_fields: dict[str, Any], more: Any) -> None:
    try:
        collection = Collection("things", schema={}, key=key, ttl="ends")
    except DefinitionError:
        assume(False)
        raise
    pipeline, known = Pipeline([collection]), collection.keys
    wanted = {name: given_fields.get(name) for name in known.fields}
    try:
        made = known.template.format(wanted)
    except InvalidMessage:
        made = {}
    if made:  # what can be a key has an id
        assert known.key_of(made_id(wanted, collection.id_columns)) == made
        assert known.fields_of(made_id(wanted, collection.id_columns)) == wanted
    try:
        item_id = made_id(wanted, collection.id_columns)
        row = validated_row(pipeline, "things", item_id, StoredItem(more | wanted))
    except (InvalidMessage, InvalidItem):
        return
    assert known.fields_of(item_id) == wanted
    assert of_url(item_path("things", item_id)) == item_id
    assert {name: stored_item(row, known).item[name] for name in wanted} == wanted
    assert stored_item(row, known).item == more | wanted
    assert pipeline.keys is not None
    identity = pipeline.keys.identify(row, row)
    assert identity is not None
    assert identity == ("things", item_id, wanted)
    assert list(map(type, identity.fields.values())) == list(map(type, wanted.values()))
    assert pipeline.keys.decode(identity, row) == more | wanted


@given(strategies.awkward_texts | st.text(max_size=4))
@example("")
@example("x" * 1025)
@example("é" * 1024)
@example("a#b\n")
@example("\ud800")
def test_a_plain_key_is_as_its_template_makes_it(item_id: str) -> None:
    plain = CollectionKey("things")

    def outcome(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except InvalidMessage as error:
            return str(error)

    def by_template() -> Any:
        split_item_key(item_key("things", item_id))
        return plain.template.format(fields_of_id(item_id, plain.template.fields))

    assert outcome(lambda: plain.key_of(item_id)) == outcome(by_template)
