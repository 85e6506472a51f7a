"""The HTTP API on DynamoDB Local: every id and item comes back as it went in, every range holds the rows it should."""

import base64
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.api.app import handler
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.testing import event as stream_event
from tailrace.testing import history
from tests import strategies
from tests.storage.conftest import Aggregates

ON_A_TABLE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
HOSTILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)

ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}
BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")

# Both changes of Berlin's clocks, the turn of a year, and Kolkata's half hour.
MOMENTS = [
    *(datetime(2024, 10, 26, 21, 45, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(12)),
    *(datetime(2024, 3, 30, 22, 45, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(10)),
    *(datetime(2024, 12, 31, 17, 15, tzinfo=UTC) + timedelta(hours=3 * step) for step in range(6)),
]
SHOPS = ["a", "a#b", "a%23b", "", "é~"]


class Context:
    """What Powertools asks of Lambda's context: nothing here."""

    aws_request_id = "1"


def request(
    method: str, path: str, query: str = "", body: str | None = None, *, base64_encoded: bool = False
) -> dict[str, Any]:
    """Return the event of an HTTP API, payload 2.0."""
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "x.execute-api.us-east-1.amazonaws.com", "content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default", "requestId": "1"},
        "isBase64Encoded": base64_encoded,
    } | ({} if body is None else {"body": body})


def call(
    method: str, path: str, query: str = "", body: str | None = None, *, base64_encoded: bool = False
) -> tuple[int, Any]:
    """Return the status and the document of an answer; a refusal is a whole problem document."""
    answer = handler(request(method, path, query, body, base64_encoded=base64_encoded), Context())
    json.dumps(answer, ensure_ascii=False).encode()  # as Lambda's runtime writes it
    text = answer.get("body")
    document: Any = loads(text) if text else None
    if answer["statusCode"] >= 400:
        assert answer["headers"]["Content-Type"] == "application/problem+json"
        assert set(document) >= {"type", "title", "status", "detail", "violations"}
        assert document["status"] == answer["statusCode"]
    return answer["statusCode"], document


def item_path(item_id: str) -> str:
    """Return an item's path as an HTTP API hands it over: decoded."""
    return f"/collections/orders/items/{item_id}"


ids = st.one_of(
    strategies.awkward_texts.filter(bool),
    st.sampled_from(["a/b", "/", "//", ".", "..", "a b", "a+b", "?", "a\nb", " "]),
)


@ON_A_TABLE
@given(item_id=ids, amount=strategies.numbers)
@pytest.mark.usefixtures("api")
def test_an_item_of_any_id_comes_back_as_it_went_in(item_id: str, amount: Any) -> None:
    item, query = ORDER | {"amount": amount}, urlencode({"id": item_id})
    status, document = call("PUT", "/collections/orders/items", query, dumps(item))
    assert status in (200, 201)
    assert document == item
    assert call("GET", "/collections/orders/items", query) == (200, {"id": item_id, "item": item})
    if "%" not in item_id and "?" not in item_id:
        found = call("GET", item_path(item_id))
        assert found == call("GET", "/collections/orders/items", query)
        assert found == call("GET", item_path(quote(item_id, safe="")))
    assert call("DELETE", "/collections/orders/items", query) == (204, None)
    assert call("GET", "/collections/orders/items", query)[0] == 404


def _nested(levels: int) -> str:
    return '{"notes":' * levels + "1" + "}" * levels


def _order(extra: str) -> str:
    return '{"shop":"a","placed":"2024-10-27",' + extra + "}"


REFUSED = {
    "nothing": "",
    "not a number": _order('"amount":NaN'),
    "infinite": _order('"amount":-Infinity'),
    "endless number": _order('"amount":1e999999999999'),
    "too many digits": _order('"amount":' + "9" * 5000),
    "39 digits": _order('"amount":' + "1" * 39),
    "half a character": _order('"tags":["\\ud800"]'),
    "half a character in a name": '{"\\ud800":1}',
    "the engine's attributes": _order('"pk":"orders#1","expires_at":1'),
    "no name": _order('"":1'),
    "forty levels": _order('"notes":' + _nested(40)),
    "endless levels": _nested(100_000),
    "endless lists": "[" * 100_000,
    "too large": _order('"notes":{"t":"' + "x" * 420_000 + '"}'),
    "an empty set": _order('"notes":{"a":{"~set":[]}}'),
    "a set of lists": _order('"notes":{"a":{"~set":[[1]]}}'),
    "not base64": _order('"notes":{"a":{"~bytes":"*"}}'),
    "a list": "[]",
    "a set": '{"~set":[1]}',
    "twice": "{}{}",
    "every field wrong": '{"shop":1,"placed":null,"amount":"#","lines":-1,"tags":[1],"~":{}}',
    "a transform that raises": _order('"lines":13'),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
@pytest.mark.usefixtures("api")
def test_what_cannot_be_an_item_is_refused_and_its_neighbours_are_not(body: str) -> None:
    kept = ORDER | {"notes": {"text": "x" * 300_000, "#": "~", "~": "#"}}
    assert call("PUT", item_path("kept"), "", dumps(kept)) == (201, kept)
    for method, name in [("PUT", "kept"), ("PATCH", "kept"), ("PUT", "new")]:
        status, problem = call(method, item_path(name), "", body)
        assert status in (400, 413, 422)
        assert bool(problem["violations"]) == (status != 400)
    assert call("GET", item_path("new"))[0] == 404
    assert call("GET", item_path("kept")) == (200, {"id": "kept", "item": kept})


PARAMETERS = ["id", "shop", "hour", "from", "to", "limit", "cursor", "x", "expires_at", "group.from"]
ODD_VALUES = ["2024-10-27", "2024-13", "0001-01-01", "9999-12-31", "0", "1001", "１", "-1", "x" * 3000]


@HOSTILE
@given(
    method=st.sampled_from(["PUT", "PATCH", "GET", "DELETE", "POST", "HEAD", "OPTIONS"]),
    path=st.one_of(
        st.sampled_from(["/", "", "/collections", "/collections//items/1", "/collections/orders/items"]),
        st.sampled_from([f"/aggregates/{name}/rows" for name in ("shop_hours", "days", "months", "pages", "none", "")]),
        st.builds(item_path, strategies.awkward_texts),
        st.builds("/collections/{}/items/1".format, strategies.awkward_texts),
    ),
    query=st.one_of(
        st.builds(
            urlencode,
            st.dictionaries(
                st.sampled_from(PARAMETERS),
                st.one_of(strategies.awkward_texts, st.sampled_from(ODD_VALUES)),
                max_size=4,
            ),
        ),
        st.sampled_from(
            ["", "id=%ff", "id=1&id=2", "shop=a&shop=b", "shop=%ff", "&".join(["x=1"] * 200), "id", "=", "\x00"]
        ),
    ),
    body=st.one_of(
        st.none(),
        strategies.awkward_texts,
        st.builds(dumps, strategies.values),
        st.builds(dumps, strategies.orders),
        st.builds(lambda order, notes: dumps(order | {"notes": notes}), strategies.orders, strategies.values),
    ),
    base64_encoded=st.booleans(),
)
@pytest.mark.usefixtures("api")
def test_no_request_makes_the_function_raise(
    method: str, path: str, query: str, body: str | None, base64_encoded: bool
) -> None:
    sent = base64.b64encode(body.encode()).decode() if body and base64_encoded and body != "~" else body
    status, _ = call(method, path, query, sent, base64_encoded=base64_encoded)
    assert status in (200, 201, 204, 400, 404, 405, 413, 415, 422)


@pytest.fixture
def rows(api: Aggregates) -> list[tuple[str, dict[str, Any]]]:
    """Fill the aggregates from orders at awkward times, and return each row beside its aggregate's name."""
    orders = [
        (f"{shop}{place}", {"shop": shop or "-", "placed": moment.isoformat(), "amount": place})
        for place, moment in enumerate(MOMENTS)
        for shop in SHOPS
    ]
    # empty groups, which no reader is shown
    orders += [("gone", {"shop": "gone", "placed": moment.isoformat()}) for moment in MOMENTS]
    orders += [("gone", None)]  # type: ignore[list-item]
    assert api.absorb(stream_event(history("orders", orders)))["batchItemFailures"] == []
    return [(pk.partition("@")[0], row) for (pk, _), row in api.values().items()]


def all_pages(name: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    found: list[dict[str, Any]] = []
    more = parameters
    for _ in range(500):
        status, page = call("GET", f"/aggregates/{name}/rows", urlencode(more))
        assert (status, page.get("aggregate")) == (200, name), page
        assert len(page["rows"]) <= int(parameters.get("limit", 100))
        found += page["rows"]
        if "cursor" not in page:
            return found
        more = parameters | {"cursor": page["cursor"]}
    raise AssertionError("the pages do not end")


def span(label: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when a bucket begins and ends: an hour by its instant, a day by the clock."""
    if "T" in label:
        begin = datetime.fromisoformat(label)
        return begin, begin + timedelta(hours=1)
    begin = datetime.fromisoformat(label)
    return begin.replace(tzinfo=zone), (begin + timedelta(days=1)).replace(tzinfo=zone)


instants = st.sampled_from(MOMENTS).flatmap(
    lambda moment: st.integers(-200, 200).map(lambda minutes: moment + timedelta(minutes=minutes))
)


def written(moment: datetime, zone: ZoneInfo) -> st.SearchStrategy[str]:
    return st.sampled_from([moment.isoformat(), moment.astimezone(zone).isoformat(), f"{moment:%Y-%m-%dT%H:%MZ}"])


def hours(rows: list[tuple[str, dict[str, Any]]], first: datetime | None, last: datetime | None) -> list[str]:
    """Return the hours of the shop a#b that a range touches, by the definition's words alone."""
    return sorted(
        row["hour"]
        for name, row in rows
        if (name, row.get("shop")) == ("shop_hours", "a#b")
        and (first is None or span(row["hour"], BERLIN)[1] > first)
        and (last is None or span(row["hour"], BERLIN)[0] <= last)
    )


def test_a_range_holds_the_hours_that_it_touches_and_no_others(rows: list[tuple[str, dict[str, Any]]]) -> None:
    ends = [None, *MOMENTS[:22]]
    for first in ends:
        for last in ends:
            if first is not None and last is not None and first > last:
                continue
            parameters = {"shop": "a#b"}
            parameters |= {} if first is None else {"from": first.astimezone(BERLIN).isoformat()}
            parameters |= {} if last is None else {"to": last.isoformat()}
            found = [row["hour"] for row in all_pages("shop_hours", parameters)]
            assert found == hours(rows, first, last), parameters


@pytest.mark.parametrize("limit", ["1", "2", "7"])
def test_pages_join_without_gap_or_repeat(rows: list[tuple[str, dict[str, Any]]], limit: str) -> None:
    for first in (None, MOMENTS[4], MOMENTS[14]):
        parameters = {"shop": "a#b", "limit": limit} | ({} if first is None else {"from": first.isoformat()})
        assert [row["hour"] for row in all_pages("shop_hours", parameters)] == hours(rows, first, None)


def test_empty_groups_are_not_shown(rows: list[tuple[str, dict[str, Any]]]) -> None:
    assert "gone" not in {row.get("shop") for _, row in rows}
    assert all_pages("shop_hours", {"shop": "gone", "limit": "2"}) == []


@pytest.mark.parametrize("shop", [None, "a#b", "none"])
@pytest.mark.parametrize("limit", ["3", "1000"])
def test_a_range_of_days_reads_one_partition_after_another(
    rows: list[tuple[str, dict[str, Any]]], shop: str | None, limit: str
) -> None:
    for first, last in itertools.combinations([MOMENTS[place] for place in (0, 4, 9, 22, 23, 25, 27)], 2):
        if last < first:
            continue
        parameters = {"from": first.isoformat(), "to": last.isoformat(), "limit": limit}
        found = all_pages("days", parameters | ({} if shop is None else {"shop": shop}))
        identities = [(row["day"], row["shop"]) for row in found]
        assert identities == sorted(
            (row["day"], row["shop"])
            for name, row in rows
            if name == "days"
            and shop in (None, row["shop"])
            and span(row["day"], KOLKATA)[1] > first
            and span(row["day"], KOLKATA)[0] <= last
        )
