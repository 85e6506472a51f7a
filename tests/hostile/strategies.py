"""Hostile ids, bodies, images and keys, combined from the corpus."""

import json
from typing import Any

from hypothesis import strategies as st

from tailrace.encoding.numbers import is_encodable
from tests.hostile.corpus import BROKEN, NUMBERS, SECRET, SIGNS

DEEP = 40

signs = st.sampled_from(SIGNS)
texts = st.one_of(
    signs.map(lambda sign: f"{SECRET}{sign}"),
    st.tuples(signs, signs).map(lambda both: f"{both[0]}{SECRET}{both[1]}"),
    st.text(max_size=6).map(lambda text: SECRET + text),
)
ids = st.one_of(
    signs, st.tuples(signs, signs).map("".join), st.just("x" * 1024), st.just("x" * 1025), st.just("é" * 1024)
)
_names = st.sampled_from(["k", "v", "n", "t", "shop", "placed", "amount", "lines", "notes", "tags", *SIGNS[:60]])


def _escaped(text: str) -> str:
    return json.dumps(text)


json_texts: st.SearchStrategy[str] = st.recursive(
    st.one_of(
        st.sampled_from(NUMBERS),
        texts.map(_escaped),
        texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
        st.sampled_from(["null", "true", "false", "{}", "[]", '"2024-03-31T02:30"', '"2024-06-01T10:00:00Z"']),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(st.tuples(_names, inner), max_size=3).map(
            lambda members: "{" + ",".join(f"{_escaped(name)}:{value}" for name, value in members) + "}"
        ),
        inner.map(lambda value: "[" * DEEP + value + "]" * DEEP),
    ),
    max_leaves=4,
)


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{_escaped(name)}:{value}" for name, value in members) + "}"


bodies: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(BROKEN),
    st.lists(st.tuples(_names, json_texts), max_size=5).map(_object),
    st.tuples(texts.map(_escaped), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)).map(
        lambda found: f'{{"k":{found[0]},"v":{found[1]},"n":{found[2]},"t":1700000000}}'
    ),
    st.tuples(texts.map(_escaped), texts.map(_escaped), st.sampled_from(NUMBERS[:12])).map(
        lambda found: f'{{"k":{found[0]},"v":{found[1]},"n":{found[2]},"t":"2024-06-01T10:00:00Z"}}'
    ),
)
"""What a client sends as an item: as text, since no value of Python's is as bad as a text can be."""

# DynamoDB stores UTF-8, so the stream holds no unpaired surrogates
_stored_names = st.sampled_from([name for name in ["k", "v", "n", "t", *SIGNS[:60]] if is_encodable(name)])

attributes: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        texts.filter(is_encodable).map(lambda text: {"S": text}),
        st.sampled_from(NUMBERS).map(lambda number: {"N": number}),
        st.sampled_from(
            [
                {"NULL": True},
                {"BOOL": False},
                {"B": "AP8="},
                {"SS": ["a", "#"]},
                {"NS": ["1", "1e2"]},
                {"BS": ["AA=="]},
                {"M": {}},
                {"L": []},
                {"N": "abc"},
                {"N": ""},
                {"N": "NaN"},
                {"N": 1},
                {"S": 1},
                {"S": None},
                {"B": "!"},
                {"SS": []},
                {"SS": "a"},
                {"NS": ["x"]},
                {"M": []},
                {"L": {}},
                {"BOOL": "x"},
                {"X": 1},
                {},
                {"S": "a", "N": "1"},
                None,
                "text",
                7,
                [],
                {"N": "1e9999"},
                {"N": "٣"},
                {"N": "1_0"},
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda parts: {"L": parts}),
        st.dictionaries(_stored_names, inner, max_size=2).map(lambda members: {"M": members}),
    ),
    max_leaves=3,
)
"""Attributes of a stream's images: of every type, and of none."""

keys: st.SearchStrategy[Any] = st.one_of(
    ids.filter(is_encodable).map(lambda item_id: {"pk": {"S": f"things#{item_id}"}}),
    st.sampled_from(
        [
            {"pk": {"S": text}}
            for text in (
                "",
                "#",
                "things",
                "things#",
                "#1",
                "Things#1",
                "ｔhings#1",
                "things＃1",
                "things\x00#1",
                "things\n#1",
                " things#1",
            )
        ]
    ),
    st.sampled_from([{}, {"pk": {"N": "1"}}, {"pk": "things#1"}, {"pk": {}}, None, {"sk": {"S": "a"}}, [], "pk"]),
)
images: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["k", "v", "n", "t", "pk", "~etag", "expires_at", "x"]), attributes, max_size=4),
    st.sampled_from([{}, [], "image", 7, {"pk": None}]),
)
