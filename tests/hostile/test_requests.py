"""Hostile requests: whatever method, path, query and headers they have, each is answered, and never by a 5xx."""

from collections import Counter
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.corpus import NUMBERS, SECRET, SIGNS
from tests.hostile.entrances import Entrances
from tests.hostile.example_settings import hostile
from tests.hostile.strategies import bodies, signs

REQUESTS = 2_000

_methods = st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "POST", "HEAD", "OPTIONS", "TRACE", "get", ""])
_parts = st.one_of(
    st.sampled_from(
        ["collections", "things", "orders", "items", "aggregates", "kinds", "hours", "shops", "rows", "top", "groups"]
    ),
    signs,
)
_paths = st.one_of(
    st.sampled_from(
        [
            "/collections/things/items",
            "/collections/things/items/1",
            "/collections/orders/items",
            "/aggregates",
            "/aggregates/kinds/rows",
            "/aggregates/hours/rows",
            "/aggregates/odd/rows",
            "/aggregates/kinds/top",
            "/aggregates/shops/groups",
            "/openapi.json",
        ]
    ),
    st.lists(_parts, max_size=5).map(lambda parts: "/" + "/".join(parts)),
)
_parameters = st.sampled_from(
    ["k", "v", "id", "by", "from", "to", "limit", "cursor", "order", "interval", "n", "group.k", "expires_at", "", "#"]
)
_queries = st.lists(
    st.tuples(_parameters, st.one_of(signs, st.sampled_from([*NUMBERS, "desc", "key", "day", "sum", "2024-06", "a"]))),
    max_size=4,
)
_visible = [sign for sign in SIGNS if sign.isprintable() and sign.isascii()]
_headers = st.dictionaries(
    st.sampled_from(["accept", "content-type", "content-encoding", "if-match", "if-none-match", "idempotency-key"]),
    st.sampled_from(
        [
            "*",
            '"x"',
            'W/"x"',
            '"x", "y"',
            "*/*",
            "text/csv",
            "text/csv;cells=exact",
            "application/json;q=2",
            ";",
            ",",
            "q=0",
            *_visible,
        ]
    ),
    max_size=3,
)


def _query(pairs: list[tuple[str, str]], raw: bool) -> str:
    texts = [(name, value if raw else quote(value, errors="surrogatepass")) for name, value in pairs]
    return "&".join("=".join(pair) for pair in texts)


_any_request = st.tuples(_methods, _paths, st.builds(_query, _queries, st.booleans()))
_nearly_right = st.tuples(
    st.sampled_from(["PUT", "PUT", "PATCH", "DELETE", "GET", "POST"]),
    st.sampled_from(["/collections/things/items", "/collections/orders/items"]),
    st.one_of(
        st.just("id=1"), signs.map(lambda sign: f"id={quote(sign, safe='', errors='surrogatepass')}"), st.just("")
    ),
)
_bodies = st.one_of(st.none(), bodies, bodies.map(lambda body: f'{{"items":[{{"id":"1","item":{body}}}]}}'))


def test_hostile_requests_are_answered() -> None:
    outcomes = Counter[int]()
    world = Entrances()

    @hostile(REQUESTS)
    @given(st.one_of(_any_request, _nearly_right), _headers, _bodies)
    def play(request: tuple[str, str, str], headers: dict[str, str], body: Any) -> None:
        method, path, query = request
        outcomes[world.ask(method, path, body, query, **headers)["statusCode"]] += 1

    with world.listening():
        play()
    assert outcomes.total() >= REQUESTS
    assert set(outcomes) >= {200, 201, 204, 207, 400, 404, 405, 406, 412, 415, 422}
    assert SECRET not in world.logs.getvalue()
