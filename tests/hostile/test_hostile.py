"""Ten thousand hostile items through every entrance: each is stored as sent or refused, and nothing raises."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.keys import group_texts, split_item_key
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage
from tests.hostile import corpus
from tests.hostile.corpus import SECRET
from tests.hostile.entrances import Entrances
from tests.hostile.example_settings import hostile
from tests.hostile.strategies import bodies, ids, images, keys

CASES, PER_EXAMPLE = 10_000, 20

WRITES = (("things", "PUT"), ("things", "PUT"), ("orders", "PUT"), ("things", "PATCH"))

type Case = tuple[str, str]
"""An id, and the text that is sent as the item."""

case = st.tuples(ids, bodies)
many = st.lists(case, min_size=PER_EXAMPLE, max_size=PER_EXAMPLE)
records = st.lists(st.tuples(keys, images, images), max_size=4)


def by_api(world: Entrances, cases: Sequence[Case]) -> Counter[str]:
    """Put or patch each item alone, as text or as bytes, and put all in a batch; what is stored is read as sent."""
    outcomes = Counter[str]()
    for number, (item_id, body) in enumerate(cases):
        raw = body.encode(errors="surrogatepass") if number % 2 else body
        collection, method = WRITES[number % len(WRITES)]
        status = world.write(method, collection, item_id, raw)
        outcomes[f"{method} {status}"] += 1
        if status in (200, 201) and method == "PUT":
            query = f"id={quote(item_id, safe='')}"
            found = loads(world.ask("GET", f"/collections/{collection}/items", None, query)["body"])
            assert found["item"] == loads(body)
    entries = ",".join(f'{{"id":{json.dumps(item_id)},"item":{body}}}' for item_id, body in cases if is_readable(body))
    world.ask("POST", "/collections/things/items", f'{{"items":[{entries}]}}')
    return outcomes


def by_queue(world: Entrances, cases: Sequence[Case]) -> None:
    """Send each item in a message, and some as messages."""
    messages = []
    for number, (item_id, body) in enumerate(cases):
        collection, method = WRITES[number % len(WRITES)]
        op, member = ("patch", "patch") if method == "PATCH" else ("put", "item")
        name = json.dumps(item_id)
        messages.append(f'{{"op":"{op}","collection":"{collection}","id":{name},"{member}":{body}}}')
        messages.append(body if number % 2 else f'{{"op":"delete","collection":"orders","id":{body}}}')
    world.send(messages)


def by_file(world: Entrances, cases: Sequence[Case]) -> None:
    """Drop the items in a file of each format, with ids and without."""
    collection = ("things", "orders")[len(cases[0][1]) % 2]
    lines = [
        body.replace("{", f'{{"id":{json.dumps(item_id)},', 1) if number % 2 else body
        for number, (item_id, body) in enumerate(cases)
    ]
    world.drop(f"{collection}/x.jsonl", "\n".join(lines).encode(errors="surrogatepass"))
    world.drop("things/x.json", f"[{','.join(lines)}]".encode(errors="surrogatepass"))
    table = io.StringIO()
    csv.writer(table).writerows([["id", "k", "v", "n"], *([item_id, body, item_id, "7"] for item_id, body in cases)])
    world.drop(f"{collection}/x.csv", table.getvalue().encode(errors="surrogatepass"))


@lru_cache(maxsize=1024)
def is_readable(text: str) -> bool:
    """Tell whether a text can be part of a batch, which is refused as a whole if it is no JSON."""
    try:
        loads(text)
    except InvalidMessage:
        return False
    return True


def check(world: Entrances, given_ids: set[str]) -> None:
    """Check that every row is under a key that it was sent to, and that the logs show nothing of the items."""
    given_ids = given_ids | {one.lstrip("\ufeff") for one in given_ids}  # in CSV, a row's byte order marks are no text
    for stored in world.database.rows("items"):
        collection, item_id = split_item_key(stored["pk"]["S"])
        assert collection in ("things", "orders")
        assert item_id in given_ids or (collection == "things" and len(item_id) == 32)
    for row in map(decode_item, world.database.rows("aggregates")):
        if not row["pk"].startswith("~"):
            aggregate = row["pk"].partition("@")[0]
            names = {
                "kinds": ("k", "v"),
                "odd": ("k",),
                "hours": ("hour", "k"),
                "shops": ("shop",),
                "elements": ("v",),
                "entries": ("key", "k"),
            }[aggregate]
            texts = group_texts(row["pk"], row["sk"])[: len(names)]
            if len(texts) < len(names):  # only the definition tells a lone "-" from no second group
                texts = (*texts, "-")
            assert [_text(row[name]) for name in names] == list(texts)
    prefixes = {
        "failures": ("quarantine/", "oversize/"),
        "archive": ("archive/", "checkpoints/", "inbox/", "receipts/"),
    }
    for (bucket, key), body in world.bucket.objects.items():
        assert key.startswith(prefixes[bucket])
        if key.startswith("quarantine/"):
            json.loads(body)
            assert key.split("/")[1] in ("things", "orders", "unknown")
    assert SECRET not in world.logs.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def read_back(world: Entrances, cases: Sequence[Case]) -> None:
    """Ask for rows by hostile values, in every form: no answer holds another group's rows."""
    for item_id, _ in cases[:2]:
        value = quote(SECRET + item_id, errors="surrogatepass")
        for accept in ("application/json", "text/csv"):
            answer = world.ask("GET", "/aggregates/kinds/rows", query=f"k={value}", accept=accept)
            if answer["statusCode"] == 200 and accept == "application/json":
                assert {row["k"] for row in loads(answer["body"])["rows"]} <= {SECRET + item_id}
        world.ask("GET", "/aggregates/kinds/top", query=f"by=sum&k={value}")
        world.ask("GET", f"/aggregates/{item_id}/rows", query=f"{value}={value}&cursor={value}")
    world.ask("GET", "/aggregates/kinds/groups")


def test_ten_thousand_hostile_items_are_stored_as_sent_or_refused() -> None:
    outcomes = Counter[str]()

    @hostile(CASES // PER_EXAMPLE)
    @given(many, records)
    def play(cases: list[Case], raw: list[Any]) -> None:
        world = Entrances()
        with world.listening():
            outcomes.update(by_api(world, cases))
            world.deliver([world.record(*images_and_keys) for images_and_keys in raw])
            by_queue(world, cases)
            by_file(world, cases)
            world.deliver()
            read_back(world, cases)
        check(world, {item_id for item_id, _ in cases})
        outcomes["archived"] += sum(bucket == "archive" for bucket, _ in world.bucket.objects)
        outcomes["refused"] += sum(key.startswith("quarantine/") for _, key in world.bucket.objects)
        outcomes["rows"] += len(world.database.rows("aggregates"))

    play()
    assert outcomes.total() - outcomes["archived"] - outcomes["refused"] - outcomes["rows"] >= CASES
    # it is no test of refusals alone, nor of items that are all fine
    expected = {"PUT 201", "PUT 400", "PUT 422", "PATCH 400", "PATCH 404", "archived", "refused", "rows"}
    assert {name for name, times in outcomes.items() if times > CASES // 100} >= expected


@pytest.mark.parametrize("text", [*corpus.SIGNS, *corpus.NUMBERS])
def test_each_sign_of_the_corpus_is_an_id_and_a_value(text: str) -> None:
    world = Entrances()
    body = json.dumps({"k": SECRET + text, "v": text, "n": 1, "t": 1_700_000_000})
    with world.listening():
        by_api(world, [(text, body)])
        by_queue(world, [(text, body)])
        by_file(world, [(text, body)])
        world.deliver()
        read_back(world, [(text, body)])
    check(world, {text})


@pytest.mark.parametrize("body", corpus.BROKEN, ids=range(len(corpus.BROKEN)))
def test_each_broken_text_of_the_corpus_is_refused_or_stored(body: str) -> None:
    world = Entrances()
    with world.listening():
        by_api(world, [("1", body)])
        by_queue(world, [("1", body)])
        by_file(world, [("1", body)])
        world.deliver()
    check(world, {"1"})
