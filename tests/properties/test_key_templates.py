"""Laws of key templates: keys and fields, fields and ids, both ways; and overlaps."""

from functools import cache
from itertools import product
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tailrace.definition.item_ids import fields_of_id, id_of
from tailrace.encoding import key_overlaps
from tailrace.encoding.key_overlaps import find_overlap
from tailrace.encoding.key_templates import KeyTemplate
from tailrace.errors import InvalidMessage
from tests.properties.key_texts import compiled, fields, keys, look_alikes, templates


@given(templates, fields)
@example(compiled({"PK": "{a+}aa#{b}"}), {"a": "xa", "b": "1"})
@example(compiled({"PK": "{a+}##{b+}"}), {"a": "x#", "b": "#y"})
def test_fields_that_make_a_key_come_back_from_it(template: KeyTemplate, given_fields: dict[str, Any]) -> None:
    wanted = {name: given_fields[name] for name in template.fields}
    try:
        key = template.format(given_fields)
    except InvalidMessage:
        assume(False)
        raise
    found = template.parse(key)
    assert found == wanted
    assert list(map(type, found.values())) == list(map(type, wanted.values()))


@given(templates, keys, fields)
def test_a_key_that_matches_is_made_again_of_its_fields(
    template: KeyTemplate, key: dict[str, Any], given_fields: dict[str, Any]
) -> None:
    for name, attribute in template.attributes.items():  # most random keys match nothing: fill the template in
        parts = [part if isinstance(part, str) else str(given_fields.get(part.name)) for part in attribute.parts]
        if attribute.kind == "text" and given_fields["a"]:
            key = key | {name: "".join(parts)}
    found = template.parse(key)
    if found is not None:
        assert template.format(found) == {name: key[name] for name in template.attributes}


@given(templates, fields)
def test_an_id_holds_the_fields_of_one_key(template: KeyTemplate, given_fields: dict[str, Any]) -> None:
    wanted = {name: given_fields[name] for name in template.fields}
    assume("" not in wanted.values())
    assume(b"" not in wanted.values())
    item_id = id_of(wanted)
    assert fields_of_id(item_id, template.fields) == wanted


@given(templates, look_alikes)
@example(compiled({"PK": "{n:number}"}), "1.0")
@example(compiled({"PK": "{n:number}"}), "1e3")
@example(compiled({"PK": "{n:number}"}), "-0")
@example(compiled({"PK": "{x:binary}"}), "AA==")
@example(compiled({"PK": "{x:binary}"}), "AB")
@example(compiled({"PK": "{a}#{b}"}), "a~/b")
def test_a_text_is_the_id_of_one_key_or_of_none(template: KeyTemplate, text: str) -> None:
    try:
        found = fields_of_id(text, template.fields)
    except InvalidMessage:
        return
    assert id_of(found) == text


LITERALS = st.sampled_from(["#", "a", "A#", "-", "#A", "a#a"])
ENDS = st.one_of(st.just(""), LITERALS)
SHORT = st.builds(
    lambda start, middle, last, end: start + "".join(map("".join, middle)) + last + end,
    ENDS,
    st.lists(st.tuples(st.sampled_from(["{a}", "{b}", "{a+}"]), LITERALS), max_size=2),
    st.sampled_from(["{a}", "{b}", "{c+}"]),
    ENDS,
)


@cache
def words_of(template: str) -> frozenset[str]:
    """Return the words of up to five letters that a template matches."""
    key = KeyTemplate({"PK": template})
    words = ("".join(letters) for size in range(1, 6) for letters in product("#aA-", repeat=size))
    return frozenset(word for word in words if key.parse({"PK": word}) is not None)


@given(SHORT, SHORT)
@example("ORDER#{a}", "ORDER#{a}#ITEM#{b}")
@example("{a}", "A#{b}")
def test_an_overlap_is_found_if_there_is_one(one: str, other: str) -> None:
    first, second = KeyTemplate({"PK": one}), KeyTemplate({"PK": other})
    found = find_overlap(first, second)
    assert (found is not None) >= bool(words_of(one) & words_of(other))
    assert found is None or (first.parse(found) is not None and second.parse(found) is not None)


@pytest.mark.parametrize("key", ["a#" * 1000, "a" * 2048, "a#b#" * 500, "##" * 1000])
@pytest.mark.parametrize("template", ["{a+}#b#{b+}#c#{c+}#d", "{a}#{b}#{c}", "{a+}a{b+}a{c+}b"])
@pytest.mark.timeout(30)
def test_no_key_takes_long(template: str, key: str) -> None:
    parsed = KeyTemplate({"PK": template})
    found = [parsed.parse({"PK": key}) for _ in range(100)]
    assert all(fields is None or parsed.format(fields) == {"PK": key} for fields in found)


PARTS = st.sampled_from(["{a}", "{b}", "{a+}", "{c}", "#", "a", "-", "#a", "a#"])
SMALL = st.lists(PARTS, min_size=1, max_size=4).map("".join)
PAIRS = st.fixed_dictionaries(
    {
        "PK": SMALL | st.sampled_from(["{n:number}", 1, 2]),
        "SK": SMALL | st.sampled_from(["{n:number}", "{m:number}", 2]),
    }
).map(compiled)
WORDS = ["".join(letters) for size in range(1, 4) for letters in product("#a-z", repeat=size)]


@given(PAIRS, PAIRS)
@example(compiled({"PK": "{a}", "SK": "{a}#{b}"}), compiled({"PK": "a-a", "SK": "{a}#a"}))
@example(compiled({"PK": "{a}", "SK": "a#{b}"}), compiled({"PK": "{c}", "SK": "{c}#{b}"}))
@example(compiled({"PK": "{n:number}", "SK": "{n:number}"}), compiled({"PK": "{n:number}", "SK": 2}))
@example(compiled({"PK": "{a}", "SK": "{a}"}), compiled({"PK": "a{b}", "SK": "{c}-"}))
def test_an_overlap_is_found_in_both_attributes_together(one: KeyTemplate, other: KeyTemplate) -> None:
    found = find_overlap(one, other)
    assert found is None or (one.parse(found) is not None and other.parse(found) is not None)
    if found is None:
        both = [
            [value for value in (*WORDS, 1, 2, 3) if one.attributes[name].parse(value) is not None]
            for name in ("PK", "SK")
        ]
        keys = ({"PK": value, "SK": sort} for value, sort in product(*both))
        assert not [key for key in keys if one.parse(key) is not None and other.parse(key) is not None]
    assert (found is None) == (find_overlap(other, one) is None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"PK": "{a}", "SK": "{a}#{p}"}, {"PK": "A-LONG-NAME", "SK": "{q}#z"}),
        ({"PK": "{a}", "SK": "ORDER#{b}"}, {"PK": "{c}", "SK": "{c}#{d}"}),
        ({"PK": "{n:number}", "SK": "{n:number}"}, {"PK": "{m:number}", "SK": 7}),
        ({"PK": "{x:binary}", "SK": "{x:binary}"}, {"PK": "{y:binary}", "SK": b"\x00\xff"}),
        ({"PK": "{a+}{{{b}}}"}, {"PK": "x{b+}"}),
        ({"PK": "{a}-{b}"}, {"PK": "{a}_{b}"}),
    ],
)
def test_overlaps_that_only_both_attributes_show(one: dict[str, Any], other: dict[str, Any]) -> None:
    found = find_overlap(KeyTemplate(one), KeyTemplate(other))
    assert found is not None
    assert KeyTemplate(one).parse(found) is not None
    assert KeyTemplate(other).parse(found) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"PK": "C#{c}", "SK": "ORDER#{o}"}, {"PK": "C#{c}", "SK": "ORDER#{o}#LINE#{l}"}),
        ({"PK": "order#{a}"}, {"PK": "ORDER#{a}"}),
        ({"PK": "é{a}"}, {"PK": "e\u0301{a}"}),
        ({"PK": "{a}"}, {"PK": "{a:number}"}),
        ({"PK": "{n:number}", "SK": 5}, {"PK": "{n:number}", "SK": 7}),
        ({"PK": "{a}", "SK": "{a}1"}, {"PK": "{b}1", "SK": "{b}"}),
        ({"PK": "{a}#{a}"}, {"PK": "{a}#{a}#{a}"}),
        ({"PK": "a#{b}"}, {"PK": "a##{b}"}),
    ],
)
def test_templates_that_look_alike_and_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert find_overlap(KeyTemplate(one), KeyTemplate(other)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"PK": "{a}", "SK": "{a}#"}, {"PK": "{c}", "SK": "-{c}"}),
        ({"PK": "-{b}", "SK": "{b}"}, {"PK": "{c}a#{a+}#", "SK": "-{c}#{b}"}),
        ({"PK": "#a{a+}", "SK": "{a+}"}, {"PK": "{a+}", "SK": "{a}"}),
        ({"PK": "{a}#{a}#A{b}#"}, {"PK": "{a+}#A{a}a"}),
        ({"PK": "{a+}#A{a}-{a+}-{a}#A"}, {"PK": "{a}#{a+}a{b}a"}),
        ({"PK": "{b}#{b}#A{b}a{b}"}, {"PK": "{b}#A{b}#"}),
        ({"PK": "{b}a#a{b}#A{b}"}, {"PK": "{a+}#{a+}-{c+}"}),
        ({"PK": "{c}a{c}", "SK": "#"}, {"PK": "{a+}a#-{a+}", "SK": "{a+}"}),
    ],
)
def test_fields_that_recur_without_an_overlap_are_soon_done(
    one: dict[str, Any], other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Mock(wraps=key_overlaps._steps)
    monkeypatch.setattr(key_overlaps, "_steps", steps)
    assert find_overlap(KeyTemplate(one), KeyTemplate(other)) is None
    assert steps.call_count < 1000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{a+}-{b}", "{a}#A{b}a#a{b}#A"),
        ("a#a{a+}a#a{b}", "a{a+}a{a+}#{c+}"),
        ("{a+}a{b}a{a+}-{c+}", "A#{a+}#{a+}#A{a}#{c+}"),
        ("#{b}a{a+}#{a+}A#{c+}", "{a+}a{b}-{b}a{b}"),
    ],
)
def test_an_overlap_is_found_behind_equations_that_were_seen_before(one: str, other: str) -> None:
    assert find_overlap(KeyTemplate({"PK": one}), KeyTemplate({"PK": other})) is not None
