"""Conditional writes: an unmet condition is an answer, any other error is raised. Reads are strongly consistent."""

from collections.abc import Callable
from contextlib import suppress
from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tailrace import Aggregate, Collection, Pipeline, count, field
from tailrace.aggregation.carried.state import Outstanding
from tailrace.aggregation.marks import Lineage, Shard
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.expiry import EmptyRowExpiry
from tailrace.aws.aggregates.group_reader import GroupReader
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.job_status import JobStatusReader
from tailrace.aws.backfill.outstanding_rows import OutstandingRows
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.items.batch_writer import RefusedItem, put_all_or_raise
from tailrace.aws.items.conditions import OF_ANOTHER
from tailrace.aws.items.store import ItemStore, Unmet, _call_if
from tailrace.aws.jobs.job import Job, JobTable
from tailrace.aws.runtime.errors import CONDITION_FAILED
from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.generations import created
from tailrace.definition.item_keys import CollectionKey
from tailrace.encoding.dynamodb import encode_item
from tailrace.errors import NotFound, Permanent, Transient
from tailrace.inputs.changes import StreamPosition
from tailrace.queries.parameters import parse_group_query, parse_row_query

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOPS = Aggregate("shops", of=Collection("orders", schema={"type": "object"}), by=[], measures={"n": count()})
LISTED = replace(SHOPS, by=[field("shop")])
SHOP = RowChange(SHOPS.layout, ("shops@1", "-"), (), None)
ONE, TWO = created("shops", 1, "a"), created("shops", 1, "b")
BEFORE, AFTER = Outstanding(1, 5), Outstanding(1, 9)
JOB = Job("j", "build", (("shops", 1),), NOW.isoformat())
MATCHED = CollectionKey("orders", {"pk": "{id}"}, {"type": "order"})
SHARDS = {"p": Shard(None, 1, 2), "s": Shard("p", 3, None)}
POSITION = StreamPosition(3, NOW.isoformat())


class Client:
    """A table that refuses each write with one error code, and finds some rows."""

    def __init__(self, code: str) -> None:
        self.code = code

    def _refuse(self, **_request: Any) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "Write")

    put_item = update_item = _refuse

    def query(self, **_request: Any) -> Any:
        rows = {"sk": "s", "first": f"{7:034}", "changes": 2, "counted": 1, "lineage": "~m", "ended": []}
        return {"Items": [encode_item(rows)]}

    def get_item(self, **_request: Any) -> Any:
        return {"Item": encode_item({"lineage": "~m", "ended": [], "heir": "other"})}


def outstanding(client: Any) -> OutstandingRows:
    return OutstandingRows(client, ProgressRows(client, "progress"), lambda: NOW)


def lineages(client: Any) -> Lineages:
    return Lineages(client, lambda: client, "rows", lambda: NOW)


WRITES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "first control rows": (lambda client: ControlTable(client, "rows").create([ONE], since_creation=True), False),
    "a new control row": (lambda client: ControlTable(client, "rows").replace(None, ONE), False),
    "a changed control row": (lambda client: ControlTable(client, "rows").replace(ONE, TWO, show=True), False),
    "a pointer": (lambda client: ControlTable(client, "rows").show(ONE), False),
    "unkept images": (lambda client: ControlTable(client, "rows").record_unkept(["orders"], 1), None),
    "collections": (lambda client: ControlTable(client, "rows").record_collections(["orders"]), None),
    "what is carried first": (lambda client: outstanding(client).carry("s", None, AFTER, ""), Transient),
    "what is carried next": (lambda client: outstanding(client).carry("s", BEFORE, AFTER, ""), Transient),
    "what is caught up": (lambda client: outstanding(client).advance("s", BEFORE, POSITION), Transient),
    "what is settled": (lambda client: outstanding(client).settle("s", BEFORE, 5), None),
    "accepted counts": (lambda client: ProgressRows(client, "progress").accept_counts(), None),
    "the first number of a boundary": (
        lambda client: BoundaryFirsts(client, "rows", lambda: NOW)._store(Boundary("b", 1), "s", 9),
        7,
    ),
    "a shard's lineage": (lambda client: lineages(client)._save("s", Lineage("~s")).mark, "~m"),
    "a shard's heir": (lambda client: lineages(client)._claim_successor("p", "s", SHARDS), "other"),
    "a new job": (lambda client: JobTable(client, "rows", lambda: NOW).create(JOB), Transient),
    "a job": (lambda client: JobTable(client, "rows", lambda: NOW).write(replace(JOB, changes=3)), Transient),
    "a job's part": (lambda client: JobTable(client, "rows", lambda: NOW).count_part(JOB), None),
    "an expiry": (lambda client: EmptyRowExpiry(client, "rows").expire(SHOP, NOW), None),
    "an item": (lambda client: _call_if(client.put_item, {}), Unmet(repeated=False)),
    "an item with the key of another": (
        lambda client: put_all_or_raise(client, "items", [{}], keys=MATCHED, sleep=lambda _seconds: None),
        [RefusedItem(0, OF_ANOTHER)],
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_only_a_condition_that_does_not_hold_is_an_answer(name: str) -> None:
    write, answer = WRITES[name]
    for code, error in (("ThrottlingException", Transient), ("AccessDeniedException", Permanent)):
        with pytest.raises(error, match=f"{code}|unprocessed"):
            write(Client(code))
    if answer is Transient:
        with pytest.raises(Transient, match="another "):
            write(Client(CONDITION_FAILED))
    else:
        assert write(Client(CONDITION_FAILED)) == answer


READS: dict[str, Callable[[Any], Any]] = {
    "an item": lambda client: ItemStore(client, "items", Pipeline([SHOPS.of], [SHOPS])).get("orders", "1"),
    "control rows": lambda client: ControlTable(client, "rows").read(),
    "a job": lambda client: JobTable(client, "rows", lambda: NOW).read("j"),
    "the newest jobs": lambda client: JobStatusReader(client, "rows").newest(),
    "a lineage": lambda client: lineages(client)._load("s"),
    "first numbers": lambda client: BoundaryFirsts(client, "rows", lambda: NOW).stored("b"),
    "groups": lambda client: GroupReader(client, "rows").read(parse_group_query(LISTED, [], 0)),
    "rows": lambda client: RowReader(client, "rows").read(parse_row_query(LISTED, [("shop", "a")], 0)),
}


@pytest.mark.parametrize("name", READS)
def test_reads_are_strongly_consistent(name: str) -> None:
    asked: list[Any] = []

    class Empty:
        def get_item(self, **request: Any) -> Any:
            asked.append(request.get("ConsistentRead"))
            return {}

        def query(self, **request: Any) -> Any:
            asked.append(request.get("ConsistentRead"))
            return {"Items": []}

    with suppress(NotFound):
        READS[name](Empty())
    assert set(asked) == {True}
