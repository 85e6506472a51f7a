"""Histories in which several executions work at a time, on one job or on two, stop for good, and pause for hours."""

from collections.abc import Iterator

from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.steps.machine import abandon, advance, work_on
from tailrace.backfill.generations import State
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Transient
from tests.simulation.jobs.history import Player

_MAX_TURNS = 20_000
_MAX_EXECUTIONS = 4
_BESIDE, _PAUSES, _DEPLOYS = 0.4, 0.1, 0.08  # shares of the jobs
_RESUMED, _STOPPED, _NOW = 0.004, 0.002, 0.01  # shares of the turns
_PAUSES_S = (3600, 20 * 3600, 37 * 3600)


class Execution:
    """An execution of a job, which takes one turn at a time."""

    def __init__(self, player: "Rivals", job: str) -> None:
        self.player = player
        self.job = job
        self.is_over = False
        self.waits_until = 0
        self._step = self._worked = ""
        self._parts: list[int] = []

    def take_turn(self) -> None:
        """Work on a part, or advance the job; an execution whose calls keep failing gives the job up."""
        try:
            self._work() if self._parts else self._advance()
        except Transient:
            self.is_over = True
            with self.player.world.calm():
                abandon(self.player.world.job_context(), self.job, "its execution failed")

    def _work(self) -> None:
        number = self._parts.pop()
        self.player.repeated(lambda: work_on(self.player.world.job_context(), self.job, number))
        if not self._parts:
            self._worked = self._step

    def _advance(self) -> None:
        worked, self._worked = self._worked, ""
        outcome = self.player.repeated(lambda: advance(self.player.world.job_context(), self.job, worked=worked))
        match outcome["next"]:
            case "end":
                self.is_over = True
            case "wait":
                self.waits_until = self.player.world.now + outcome["seconds"]
            case "parts":
                self._step, self._parts = outcome["step"], list(outcome["numbers"])
                self.player.random.shuffle(self._parts)


class Rivals(Player):
    """Lets jobs be resumed while they run, stopped and resumed, verified beside each other, and overtaken by code."""

    def _execute(self, name: str) -> None:
        jobs = [name, *self._begin_beside(name)]
        executions = [Execution(self, job) for job in jobs]
        pauses, deploys = (self.random.random() < share for share in (_PAUSES, _DEPLOYS))
        for _ in range(_MAX_TURNS):
            executions = [one for one in executions if not one.is_over]
            executions += self._resumed(jobs, executions)
            if not executions:
                break
            if len(executions) < _MAX_EXECUTIONS and self.random.random() < _RESUMED:
                executions.append(Execution(self, self.random.choice(executions).job))
            if self.random.random() < _STOPPED:
                self.random.choice(executions).is_over = True
                continue
            if pauses and self.random.random() < _NOW:
                pauses = False
                self.world.settle()
                self.world.now += self.random.choice(_PAUSES_S)
            if deploys and self.random.random() < _NOW:
                deploys = False
                self.world.settle()
                self.world.deploy(self.random.choice(list(self.world.codes)))
            self._take_turn(executions)
        else:
            raise AssertionError(f"{name} never ends")
        for job in jobs[1:]:
            self._check_beside(job)

    def _begin_beside(self, name: str) -> list[str]:
        """Begin a verification of what the job does not work on, or none."""
        if self.random.random() >= _BESIDE:
            return []
        with self.world.calm():
            targets = self._context().jobs.read(name).targets
        generations = self._control().generations.values()
        free = [one.id for one in generations if one.state is State.LIVE and not one.baseline and one.id not in targets]
        if not free:
            return []
        self.jobs += 1
        began_at, repairs = self._context().clock().isoformat(), self.random.random() < 0.5
        with self.world.calm():
            self._context().jobs.create(Job(f"job{self.jobs}", "verify", tuple(free), began_at, repairs=repairs))
        return [f"job{self.jobs}"]

    def _resumed(self, jobs: list[str], executions: list[Execution]) -> Iterator[Execution]:
        """Yield an execution for each running job that has none."""
        for job in jobs:
            if all(one.job != job for one in executions):
                with self.world.calm():
                    is_running = self._context().jobs.read(job).state == "running"
                if is_running:
                    yield Execution(self, job)

    def _take_turn(self, executions: list[Execution]) -> None:
        ready = [one for one in executions if one.waits_until <= self.world.now]
        if ready:
            self.random.choice(ready).take_turn()
            return
        self._some(3)
        self.world.now = max(self.world.now, min(one.waits_until for one in executions))
        self._deliver_some(gives_up=0.005)

    def _check_beside(self, name: str) -> None:
        with self.world.calm():
            job = self._context().jobs.read(name)
            lines = list(self._context().folder(job).all_lines("report")) if job.state == "done" else []
        findings = [loads(line) for line in lines if line]
        self.world.note(f"beside it, verify of {job.targets}: {job.state} {job.reason}")
        self._judge_findings(findings)
        if job.state == "done" and job.repairs:
            self._note_repaired(job, findings)
