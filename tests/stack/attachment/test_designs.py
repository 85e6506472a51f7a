"""Three single-table designs on the emulated stack, with policies enforced: built, kept, and nothing written to them.

Other programs write to each table before the stack is attached, while it is, and while its aggregates are built. In
the end its rows equal a recompute, and every item is what its writer wrote.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from local import stack as local_stack
from local.deployment import deploy
from local.existing_table import BOTH_IMAGES
from local.history import JobFailed
from local.stack import Stack, enforcing_stack
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import decode_item
from tests.api_client import request
from tests.foreign.build import build_with_test_definitions
from tests.foreign.designs import DESIGNS, Design, Row
from tests.foreign.writers import Writer, has_expired
from tests.review.table_rights import READS

SETTLED_S = 120
DIGITS = Context(prec=38)  # DynamoDB's
EXPIRY_S = 90
"""The emulator looks for expired items once a minute."""


@dataclass(frozen=True)
class Attached:
    """A stack that is attached to a design's table, the program that writes to it, and the decisions on its roles."""

    stack: Stack
    design: Design
    writer: Writer
    decisions: Path

    def ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """Have the api function answer a request."""
        event = json.dumps(request(method, path, body, urlencode(query or {})))
        function = self.stack.resources["ApiFunction"]
        answer = self.stack.client("lambda").invoke(FunctionName=function, Payload=event)
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        return found

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET answers."""
        answer = self.ask("GET", path, query)
        assert answer["statusCode"] == 200, answer
        return json.loads(answer["body"], parse_float=Decimal)

    def items(self) -> list[Row]:
        """Return all items of the table."""
        pages = self.stack.client("dynamodb").get_paginator("scan").paginate(TableName=self.design.name)
        return [decode_item(row) for page in pages for row in page["Items"]]

    def rows(self, aggregate: str) -> list[Row]:
        """Return all rows of an aggregate, as its readers get them."""
        listed = self.get(f"/aggregates/{aggregate}/groups", n=1000)
        found = []
        for group in listed["groups"]:
            page = self.get(f"/aggregates/{aggregate}/rows", **{listed["group"]: group["value"]}, limit=1000)
            assert page["generation"]["exact"], page
            assert page["rows"]
            assert "cursor" not in page
            found += page["rows"]
        assert all(row.pop("updated_at") for row in found)
        return [{name: value for name, value in row.items() if value is not None} for row in found]

    def quarantined(self) -> int:
        """Return the number of quarantined items."""
        bucket = self.stack.outputs["FailuresBucket"]
        return int(self.stack.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_with_test_definitions(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module", params=DESIGNS)
def attached(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attached]:
    """Make the table, let others write to it, attach a stack to it, and build the aggregates meanwhile."""
    design = DESIGNS[request.param]
    decisions = tmp_path_factory.mktemp("policies") / "decisions.jsonl"
    writers = []

    def make_table(endpoint: str) -> dict[str, str]:
        dynamodb = deploy.client("dynamodb", endpoint)
        dynamodb.create_table(**design.request)
        writer = Writer(dynamodb, design, design.name)
        writer.write(60)
        writer.ended.clear()  # before there was a stream, nobody could see them expire
        stream = dynamodb.update_table(TableName=design.name, StreamSpecification=BOTH_IMAGES)
        writer.write(40)
        writers.append(writer)
        arn = stream["TableDescription"]["LatestStreamArn"]
        return {"Pipeline": design.pipeline, "ItemsTableName": design.name, "ItemsStreamArn": arn}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_stack, "build", lambda: built)
        with enforcing_stack(decisions, make_table) as running:
            made = Attached(running, design, writers[0], decisions)
            with writing(made.writer):
                rebuild(running)
            made.writer.write(40)
            expire(made)
            running.wait_until_settled(SETTLED_S)
            yield made


def rebuild(stack: Stack) -> None:
    """Build all aggregates. A job gives up on a machine that is too busy to be in time, and can be started again."""
    for _ in range(2):
        with suppress(JobFailed):
            stack.history().rebuild()
    assert stack.history().rebuild() == []  # nothing is left to build


@contextmanager
def writing(writer: Writer) -> Iterator[None]:
    """Write all the time."""
    over = Event()
    failures: list[Exception] = []

    def write() -> None:
        while not over.wait(0.02):
            try:
                writer.write(1)
            except Exception as error:  # noqa: BLE001 - raised in the test's thread
                failures.append(error)
                return

    thread = Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failures


def expire(attached: Attached) -> None:
    """Let TTL delete what has expired, if the design has such items."""
    if not any(has_expired(row) for row in attached.writer.held.values()):
        return
    setting = {"Enabled": True, "AttributeName": "ttl"}
    table = attached.design.name
    attached.stack.client("dynamodb").update_time_to_live(TableName=table, TimeToLiveSpecification=setting)
    deadline = time.monotonic() + EXPIRY_S
    while any(has_expired(row) for row in attached.items()):
        assert time.monotonic() < deadline
        time.sleep(1)
    attached.writer.forget_expired()


def by(names: Sequence[str], rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    """Return rows by their groups."""
    return {tuple(row[name] for name in names): row for row in rows}


def as_read(stored: Row) -> Row:
    """Return a stored row as readers get it: a mean instead of its sum and its count."""
    row = dict(stored)
    if "celsius_count" in row:
        row["celsius"] = DIGITS.divide(Decimal(row.pop("celsius_total")), row.pop("celsius_count"))
    return row


def test_rows_equal_a_recompute(attached: Attached) -> None:
    expected = attached.design.recompute(list(attached.writer.held.values()) + attached.writer.ended)
    for aggregate in load_pipeline(attached.design.pipeline).aggregates:
        wanted = [as_read(row) for (key, _), row in expected.items() if key.startswith(f"{aggregate.name}@")]
        names = [group.name for group in aggregate.by]
        assert by(names, attached.rows(aggregate.name)) == by(names, wanted)
        assert wanted


def test_a_verification_finds_no_difference(attached: Attached) -> None:
    with writing(attached.writer):
        found = attached.stack.history().verify()["counts"]
    assert found["rows"] > 0
    assert not found.get("different", 0)


def test_every_item_is_what_its_writer_wrote(attached: Attached) -> None:
    assert attached.design.by_key(attached.items()) == attached.writer.held


def test_the_stack_has_read_the_table_and_done_nothing_else_to_it(attached: Attached) -> None:
    """By what it asked for, allowed or not; and nothing that it needs is denied."""
    made = [json.loads(line) for line in attached.decisions.read_text().splitlines()]
    assert [one for one in made if not one["allowed"]] == []
    about_it = {one["action"] for one in made if f":table/{attached.design.name}" in str(one["resource"])}
    assert {"dynamodb:Scan"} <= about_it <= READS


def test_items_that_no_collection_matches_are_counted_and_left_alone(attached: Attached) -> None:
    assert "ItemsUnmatched" in attached.stack.log.read_text(errors="replace")
    assert attached.quarantined() == 0


def test_the_entrances_do_not_write(attached: Attached) -> None:
    collection = load_pipeline(attached.design.pipeline).collections[0]
    path = f"/collections/{collection.name}/items"
    answer = attached.ask("POST", path, body={"items": [{"id": "1", "item": {}}]})
    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (403, "urn:problem-type:tailrace:writes-off")
    assert not {"put", "post", "patch", "delete"} & attached.get("/openapi.json")["paths"][path].keys()
    assert attached.get("/health")["quarantined_today"] == 0
