"""Parts with more rows than fit into memory, and more work than fits into an invocation."""

from collections import Counter
from copy import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tailrace import Aggregate, Pipeline, count, distinct, field, total
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.next_step import Next
from tailrace.aws.jobs.remainder import OutOfTime
from tailrace.aws.jobs.steps import building, gathering, judging, machine
from tailrace.aws.jobs.steps.verifying import relist
from tailrace.aws.jobs.timing import Timing
from tests.simulation.jobs.clients import DynamoDB
from tests.unit.aws.jobs.steps.orders_player import Calm, orders

OF_LINES: Any = {"n": count(), "amount": total("lines.amount"), "kinds": distinct("lines.kind")}
LINES = Aggregate("lines", of=orders, each="lines", by=[field("lines.sku")], measures=OF_LINES)
SHOPS = Aggregate("shops", of=orders, by=[field("shop")], measures={"n": count(), "kinds": distinct("shop")})
ITEMS = [
    {"shop": f"s{number % 3}", "lines": [{"sku": f"{number}-{one}", "kind": one % 4, "amount": 5} for one in range(10)]}
    for number in range(12)
]


class SmallPages(DynamoDB):
    """Tables that are scanned a few rows at a time."""

    def scan(self, **request: Any) -> Any:
        """Return a page of a segment of a table."""
        return super().scan(**request, Limit=4)


class Hasty(Calm):
    """Every invocation soon runs out of time, and memory holds few rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(LINES, SHOPS)
        self.continued: Counter[str] = Counter()
        self.monkeypatch = monkeypatch
        self.world.dynamodb = SmallPages(self.world.database)
        self.write(ITEMS)
        self.world.now += 3600

    def _context(self) -> JobContext:
        timing = Timing(min_partitions=2, rows_at_once=5)
        return replace(super()._context(), timing=timing, has_time=lambda: False)

    def run(self, kind: Kind, *, repairs: bool = False, version: int = 1) -> Any:
        self.monkeypatch.setattr(self.world, "job_context", self._context_of(self.world.job_context()))
        parts = {step: (self._watched(step, part), *rest) for step, (part, *rest) in machine._PARTS.items()}
        self.monkeypatch.setattr(machine, "_PARTS", parts)
        return self._job(kind, [(one.name, version) for one in (LINES, SHOPS)], repairs=repairs)

    @staticmethod
    def _context_of(context: JobContext) -> Any:
        return lambda: context

    def _watched(self, step: str, part: Any) -> Any:
        def watched(context: JobContext, job: Job, number: int) -> None:
            try:
                part(context, job, number)
            except OutOfTime:
                self.continued[step] += 1
                raise

        return watched


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Hasty:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.setattr(judging, "_ROWS_AT_ONCE", 5)
    monkeypatch.setattr(gathering, "_ITEMS_PER_FOLD", 2)
    return Hasty(monkeypatch)


def test_a_verification_is_continued_until_every_row_is_compared_and_repaired(hasty: Hasty) -> None:
    rows = len(hasty.rows())
    hasty.change("lines@1#3-4", 1, amount=6)
    hasty.change("shops@1#s1", 4, n=3)
    verdict = hasty.run("verify", repairs=True)
    assert verdict.job.state == "done"
    assert {one["pk"] for one in verdict.findings} == {"lines@1#3-4", "shops@1#s1"}
    assert all(one["repaired"] for one in verdict.findings)
    counts = verdict.job.data["counts"]
    assert (counts["rows"], counts["different"], counts["repaired"], counts["left"]) == (rows, 2, 2, 0)
    assert min(hasty.continued[step] for step in ("base", "read", "judge")) > 1
    assert hasty.run("verify").findings == ()


def test_tables_and_a_journal_that_take_longer_to_read_than_an_invocation_are_read_by_several(hasty: Hasty) -> None:
    hasty.meanwhile = [one | {"shop": "late"} for one in ITEMS]
    hasty.change("shops@1#s1", 4, n=3)
    verdict = hasty.run("verify", repairs=True)
    assert (verdict.job.state, [one["pk"] for one in verdict.findings]) == ("done", ["shops@1#s1"])
    assert not hasty.meanwhile
    assert min(hasty.continued[step] for step in ("scan", "journal", "keys", "journal again")) > 1
    assert hasty.run("verify").findings == ()


def test_a_journal_whose_list_takes_longer_than_an_invocation_is_listed_by_several(
    hasty: Hasty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "_KEYS_PER_PART", 2)
    hasty.meanwhile = [dict(one) for one in ITEMS]
    world: Any = hasty.world
    world.code = SimpleNamespace(pipeline=Pipeline([orders], [replace(one, version=2) for one in (LINES, SHOPS)]))
    job = hasty.run("build", version=2).job
    assert (job.state, hasty.meanwhile) == ("done", [])
    assert len(job.data["listed"]) > 1
    assert hasty.run("verify", version=2).findings == ()


def test_a_part_that_is_continued_shows_that_the_job_lives(hasty: Hasty) -> None:
    """The command that follows a job gives up if nothing happens to it for an hour."""
    world = hasty.world
    jobs = world.job_context().jobs
    job = Job("j", "verify", (("shops", 1),), world.clock().isoformat())
    jobs.create(job)
    before = jobs.read("j")
    world.now += 60
    jobs.count_part(job, is_done=False)
    after = jobs.read("j")
    assert (after.done, before.updated_at < after.updated_at) == (0, True)


def test_empty_rows_are_removed_however_many_belong_to_one_main_row(
    hasty: Hasty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "MAX_KEYS_PER_READ", 1)
    world: Any = hasty.world
    world.code = SimpleNamespace(pipeline=Pipeline([orders], [replace(one, version=2) for one in (LINES, SHOPS)]))
    assert hasty.run("build", version=2).job.state == "done"
    assert hasty.continued["sweep"] > len(ITEMS)


def test_rows_that_cannot_be_judged_are_counted_over_several_invocations(
    hasty: Hasty, monkeypatch: pytest.MonkeyPatch
) -> None:
    def know_nothing(context: JobContext, job: Job) -> Next:
        return relist(context, job.remember(unknown=["lines@1", "shops@1"]))

    monkeypatch.setattr(machine, "_STEPS", {**machine._STEPS, "relist": know_nothing})
    counts = hasty.run("verify").job.data["counts"]
    assert (counts["rows"], counts["unknown"]) == (0, len(hasty.rows()))
    assert hasty.continued["judge"] > 1
