"""Plays one history of jobs from its seed, and tells what is wrong at its end."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote_plus

from msgspec import Struct

from tailrace.aws.backfill.control import Control, ControlTable
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.context import JobContext, JobEnded
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.steps import machine
from tailrace.aws.jobs.steps.discarded import tell_readers
from tailrace.aws.jobs.steps.machine import advance, work_on
from tailrace.aws.stages.write_behind import FORGOTTEN, LOST
from tailrace.backfill.claims import CONTRADICTED
from tailrace.backfill.generations import GenerationId, State
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Transient
from tests.simulation.jobs.drift import differences, id_of
from tests.simulation.jobs.stack.processes import Died
from tests.simulation.jobs.world import World

_MAX_CALLS = 3000
_SPOILED = ("most", "sizes", "stores", "p50", "~c")
_MAX_DEATHS_IN_A_ROW = 60
_LATE = ("scan", "read")
_RUNS_LATE = 0.2
_ENDS_S = 3600  # how long before its end a row may already be left out of a verification


class Verdict(Struct, frozen=True):
    """How a job ended: its findings, and which of its generations were believed to be exact before."""

    job: Job
    findings: tuple[Any, ...]
    believed: frozenset[GenerationId]


class Player:
    """Plays histories: before, between and after jobs, others write, deliver, roll shards and deploy."""

    def __init__(self, seed: int, *, late: bool = False, **modes: bool) -> None:
        """Begin a history in which parts may run again ``late``; the other modes are those of a world."""
        self.late = late
        self.late_runs: list[Callable[[], None]] = []
        self.world = World(seed, **modes)
        self.random = self.world.random
        self.jobs = 0
        self.expired: list[tuple[str, dict[str, Any]]] = []
        self.spoiled: set[GenerationId] = set()
        self.lacking: set[GenerationId] = set()
        self.left_out: dict[GenerationId, float] = {}
        self.untold: list[str] = []
        self.wrong: list[str] = []

    def play(self) -> None:
        """Play a whole history."""
        world = self.world
        for _ in range(self.random.randrange(15) if world.attached else 0):
            world.write_something()  # the table has a past
        calm, world.dies = world.dies, 0
        world.in_call = True
        write_first_control_rows(self._context(), ("items", "aggregates", "progress"), is_attached=bool(world.attached))
        world.dies, world.in_call = calm, False
        self._some(30)
        if world.attached:
            self._build_attached()
        if self.random.random() < 0.6:
            world.settle()
            world.deploy("second")
            self._some(10)
            self._job("build", [name for name in world.code.ids if name[1] == 2])
        for _ in range(self.random.randrange(3)):
            self._some(15)
            self._verify(repairs=self.random.random() < 0.5)
        self._some(10)
        world.settle()
        self._check_rows(self.spoiled | self.lacking)
        self._tell()
        self._check_rows(self.spoiled)
        self._check_reasons()

    def _build_attached(self) -> None:
        """Build what an existing table is to be counted for, perhaps a long time after the last write."""
        if self.random.random() < 0.3:
            self.world.settle()
            self.world.now += self.random.choice((3600, 25 * 3600))
        names = sorted(self._control().generations)
        for _ in range(3):
            self._some(10)
            left = [name for name in names if self._control().generations[name].state is not State.LIVE]
            if not left or self._job("build", left).job.state == "done":
                return

    def _some(self, most: int) -> None:
        for _ in range(self.random.randrange(most)):
            if self.random.random() < 0.03:
                self.world.roll()
            self.world.act()
            self.world.now += self.random.choice((0, 1, 5, 40))

    def _context(self) -> JobContext:
        return self.world.job_context()

    def _control(self) -> Control:
        return ControlTable(self.world.dynamodb, "aggregates").read()

    # --- jobs ----------------------------------------------------------------------------------------------

    def _verify(self, *, repairs: bool) -> None:
        control = self._control()
        live = [one.id for one in control.generations.values() if one.state is State.LIVE]
        if not live:
            return
        spoil = self.random.random() < 0.5
        if spoil:
            self._spoil(control, live)
        if self.random.random() < 0.2:
            self._give_up()
        verdict = self._job("verify", live, repairs=repairs)
        if verdict.job.state != "done":
            return
        self._judge_findings(verdict.findings)
        found = {(one["aggregate"], one["version"]) for one in verdict.findings}
        for name in verdict.job.targets:
            lasts = spoil and self.spoiled_rows.get(name, 0) > self.world.now + _ENDS_S
            if name in self.spoiled and name not in found and lasts:
                self.wrong.append(f"{name} was spoiled, and nothing was found")
        if repairs:
            self._note_repaired(verdict.job, verdict.findings)

    def _judge_findings(self, findings: Iterable[Any]) -> None:
        """What is found must have been spoiled, or lack a discarded batch."""
        for finding in findings:
            name = finding["aggregate"], finding["version"]
            is_excused = name in self.spoiled | self.lacking or self._breaks_bounds
            if finding["finding"] != "not judged" and not is_excused:
                self.wrong.append(f"a false alarm: {finding}")

    def _note_repaired(self, job: Job, findings: Iterable[Any]) -> None:
        left = {(one["aggregate"], one["version"]) for one in findings if not one["repaired"]}
        repaired = (self.spoiled | self.lacking) & set(job.targets) - left
        self.spoiled -= repaired
        self.lacking -= repaired
        timing = self._context().timing  # rows that end so soon are not judged
        self.left_out |= dict.fromkeys(repaired, self.world.now + timing.margin_s + timing.timeout_s)

    @property
    def _breaks_bounds(self) -> bool:
        """Whether the stream hides records for longer than a job waits, so that it may compare with a wrong base."""
        return self.world.attached is not None and self.world.attached.breaks_bounds

    def _give_up(self) -> None:
        """Let a batch be discarded; the rows of what is live may lack it from now on, and readers are told.

        During a job, every second notification comes late, so that the job has to see the batch by itself.
        """
        key = self.world.give_up()
        control = self._control()
        if key is not None:
            self.untold.append(key)
            if not any(one.journal for one in control.generations.values()) or len(self.world.given_up) % 2 == 0:
                self._tell()
        self.lacking |= {one.id for one in control.generations.values() if one.state is State.LIVE}

    def _tell(self) -> None:
        """Tell readers of the batches that were discarded."""
        random = self.random.getstate()  # the rest of the history is the same as without notifications
        calm, self.world.dies, self.world.in_call = self.world.dies, 0, True
        for key in self.untold:
            tell_readers(self._context(), notification(key))
        self.untold.clear()
        self.world.dies, self.world.in_call = calm, False
        self.random.setstate(random)

    def _spoil(self, control: Control, live: list[GenerationId]) -> None:
        """Change a counter, or a measure of order, of some row by the smallest unit; or forget that it is counted."""
        self.world.settle()
        self.spoiled_rows: dict[GenerationId, float] = {}
        rows = [row for row in self.world.database.rows("aggregates") if id_of(row["pk"]["S"], control) in live]
        if not rows:
            return
        row = self.random.choice(rows)
        name = id_of(row["pk"]["S"], control)
        if name is None:
            return
        attribute = self.random.choice([one for one in _SPOILED if one in row] or ["~n"])
        if attribute == "~c":
            change: Any = {"UpdateExpression": "REMOVE #n"}
        else:
            change = {"UpdateExpression": "ADD #n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
        self.world.database.update_item(
            TableName="aggregates",
            Key={"pk": row["pk"], "sk": row["sk"]},
            ExpressionAttributeNames={"#n": attribute},
            **change,
        )
        self.world.note(f"{row['pk']['S']} {row['sk']['S']} spoiled: {attribute}")
        self.spoiled.add(name)
        if attribute not in ("most", "p50"):  # the stage may write what it reads back again before it is read
            self.spoiled_rows[name] = float(row.get("expires_at", {"N": "inf"})["N"])

    def _job(self, kind: Kind, targets: list[GenerationId], *, repairs: bool = False) -> Verdict:
        self.jobs += 1
        self._check_reasons()
        context = self._context()
        believed = frozenset(one.id for one in self._control().generations.values() if one.exact)
        job = Job(f"job{self.jobs}", kind, tuple(targets), context.clock().isoformat(), repairs=repairs)
        with self.world.calm():
            context.jobs.create(job)
        self._execute(job.id)
        with self.world.calm():
            found = context.jobs.read(job.id)
            is_judged = found.state == "done" and kind == "verify"
            lines = list(context.folder(found).all_lines("report")) if is_judged else []
        self.world.note(f"{kind} of {targets}: {found.state} {found.reason}")
        return Verdict(found, tuple(loads(line) for line in lines if line), believed)

    def _execute(self, name: str) -> None:
        """Do what the state machine does: call, wait, work on parts side by side, and repeat what fails."""
        worked = ""
        for _ in range(_MAX_CALLS):
            outcome = self.repeated(lambda: advance(self._context(), name, worked=worked))  # noqa: B023 - called at once
            worked = ""
            match outcome["next"]:
                case "end":
                    return
                case "wait":
                    self._run_late()
                    self._some(3)
                    self.world.now += outcome["seconds"]
                    self._deliver_some(gives_up=0.01)
                case "parts":
                    self.random.shuffle(numbers := list(outcome["numbers"]))
                    self._begin_late(name, outcome["step"], numbers)
                    for number in numbers:
                        self._run_late()
                        self.repeated(lambda: work_on(self._context(), name, number))  # noqa: B023
                    worked = outcome["step"]
        raise AssertionError(f"{name} never ends")

    def _begin_late(self, name: str, step: str, numbers: list[int]) -> None:
        """Let calls of parts have read the job by now, which are repeated and do their work after that."""
        if self.late and step in _LATE:
            with self.world.calm():
                context = self._context()
                job, part = context.jobs.read(name), machine._PARTS[step][0]
            self.late_runs = [partial(part, context, job, number) for number in numbers]

    def _run_late(self) -> None:
        if self.late_runs and self.random.random() < _RUNS_LATE:
            self._some(4)
            self.world.settle()
            with suppress(Died, Transient, JobEnded):
                self.late_runs.pop(self.random.randrange(len(self.late_runs)))()
                self.world.note("a part that was repeated has run again")

    def _deliver_some(self, *, gives_up: float) -> None:
        for _ in range(self.random.randrange(2 * self.world.roots + 1)):
            self.world.deliver(most=60)
        if self.random.random() < 0.02:
            self.world.settle()
        if self.random.random() < gives_up:
            self._give_up()

    def repeated(self, call: Any) -> Any:
        for _ in range(_MAX_DEATHS_IN_A_ROW):
            try:
                return call()
            except (Died, Transient):
                self.world.now += 2
        with self.world.calm():
            return call()

    # --- what must hold ------------------------------------------------------------------------------------

    def _check_rows(self, excused: AbstractSet[GenerationId]) -> None:
        control = self._control()
        for generation in control.generations.values():
            if generation.exact and generation.id not in excused:
                ended_at = max(self.world.now, self.left_out.get(generation.id, 0))
                self.wrong += differences(self.world, generation, ended_at)

    def _check_reasons(self) -> None:
        """Nothing is lost, and a stream within its bounds contradicts no claim; a verification forgets the reason."""
        unexpected = (FORGOTTEN, LOST) if self._breaks_bounds else (FORGOTTEN, LOST, CONTRADICTED)
        for generation in self._control().generations.values():
            if generation.reason in unexpected:
                self.wrong.append(f"{generation.id}: {generation.reason}")


def notification(key: str) -> dict[str, Any]:
    """Return what S3 tells of an object of the failures bucket."""
    return {"Records": [{"s3": {"bucket": {"name": "failures"}, "object": {"key": quote_plus(key)}}}]}
