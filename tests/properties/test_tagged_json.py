"""The JSON writer against a plain one: the same text for every value, whatever path it takes."""

import base64
import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding.numbers import EXACT, canonical_number
from tailrace.encoding.tagged_json import canonical_json, dumps
from tests import strategies

TAGS = ("~set", "~bytes", "~map")

texts = st.one_of(
    strategies.awkward_texts,
    st.text(st.characters(), max_size=4),  # with lone surrogates
    st.sampled_from([*TAGS, "\ud800", "\x7f\u2028", "\uffff", '\\"\b\f\n\r\t\x1f']),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    texts,
    strategies.numbers,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=8),
    strategies.sets,
    st.sampled_from([1e16, 1e-7, 2**64, -(2**63) - 1, Decimal("4.0"), Decimal("1E+200"), Decimal("-1E-130")]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=12,
)


def tagged(value: Any) -> Any:
    match value:
        case dict():
            members = {name: tagged(inner) for name, inner in value.items()}
            return {"~map": members} if len(members) == 1 and {*members} & {*TAGS} else members
        case list() | tuple():
            return [tagged(inner) for inner in value]
        case set():
            return {"~set": sorted((tagged(inner) for inner in value), key=repr)}
        case bytes():
            return {"~bytes": base64.b64encode(value).decode()}
        case Decimal():
            return canonical_number(value)
    return value


def written(value: Any, *, canonical: bool) -> str:
    """Write a tagged value member by member; canonical text is ASCII with sorted names."""
    match value:
        case dict():
            members = sorted(value.items()) if canonical else value.items()
            pairs = [
                f"{written(name, canonical=canonical)}:{written(inner, canonical=canonical)}" for name, inner in members
            ]
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(written(inner, canonical=canonical) for inner in value)}]"
        case Decimal():
            return str(value)
    text = json.dumps(value, ensure_ascii=canonical)
    return text if canonical else text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def normal(value: Any) -> Any:
    """Return a value with the shortest spelling of each decimal."""
    match value:
        case dict():
            return {name: normal(inner) for name, inner in value.items()}
        case list() | tuple():
            return [normal(inner) for inner in value]
        case set():
            return {normal(inner) for inner in value}
        case Decimal():
            return value.normalize(EXACT)
    return value


@given(values)
def test_the_writer_writes_what_a_plain_one_does(value: Any) -> None:
    assert dumps(value) == written(tagged(value), canonical=False)


@given(values)
def test_the_canonical_writer_writes_what_a_plain_one_does(value: Any) -> None:
    assert canonical_json(value) == written(tagged(normal(value)), canonical=True)
