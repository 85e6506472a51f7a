"""What operators ask of the history function: start, resume and undo jobs, and report the status."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct
from msgspec.structs import replace

from tailrace.aws.backfill.control import Control
from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.jobs.context import JobContext, JobEnded, label
from tailrace.aws.jobs.job import Job, Kind, Overtaken
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.backfill.generations import GenerationId, State, meaning_changed
from tailrace.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_stepfunctions import SFNClient

_USED_NAME = "ExecutionAlreadyExists"

_SHOWN_JOBS = 20
"""The newest jobs are shown, and those that are still running."""


class Commands(Struct, frozen=True):
    """The commands.

    Attributes:
        context: what jobs work with.
        machine: the state machine's ARN.
        states: makes a client of Step Functions.
    """

    context: JobContext
    machine: str
    states: "Callable[[], SFNClient]"

    def start(self, kind: Kind, names: Sequence[str], *, repairs: bool = False, sample: float = 1.0) -> dict[str, Any]:
        """Start a job for some aggregates, or for all of them; one that is under way and does all of it is resumed.

        Returns:
            ``job``: its id, or None if there is nothing to do; ``targets``; ``resumed``; ``shown``: the generations
            that needed no build, and were only shown to readers, after an undo.

        Raises:
            NotFound: the definition has no aggregate of a name.
            JobEnded: a generation cannot be built or verified, or a job under way does a part of what is asked for.
        """
        control = self.context.control.read()
        newest, targets = self._newest(names), self._targets(control, kind, names)
        hidden: list[GenerationId] = []
        if kind == "build":
            hidden = [one for one in newest if one not in targets and control.pointers.get(one[0]) != one]
        now = self.context.clock()
        name = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}-{kind}"
        wanted = Job(name, kind, tuple(targets), now.isoformat(timespec="seconds"), repairs=repairs, sample=sample)
        job = self._under_way(control, wanted)
        answer = {"resumed": job is not None, "shown": self._show(control, hidden)}
        if not targets:
            return {"job": None, "targets": [], **answer}
        if job is None:
            job = wanted
            self.context.jobs.create(job)
        self._execute(job, resumed=job is not wanted)
        return {"job": job.id, "targets": [label(one) for one in job.targets], **answer}

    def _targets(self, control: Control, kind: Kind, names: Sequence[str]) -> list[GenerationId]:
        """Return the generations that a job of some aggregates, or of all of them, works on; raises like start."""
        if kind == "build":
            return [one for one in self._newest(names) if not self._is_fed(control, one)]
        return self._verifications(control, names)

    def _under_way(self, control: Control, wanted: Job) -> Job | None:
        """Return a running job that does all that another one would; None if none does any of it.

        Raises:
            JobEnded: one does a part of it. It continues, even if its execution had died.
        """
        running = [one for one in self.context.jobs.all() if one.state == "running" and one.kind == wanted.kind]
        for job in running:
            if job.covers(wanted):
                return job
        for job in running:
            if set(job.targets) & set(wanted.targets):
                self._execute(job, resumed=True)
                raise JobEnded(
                    f"job {job.id} is running and covers only a part of this: {self._following(control, job)}, "
                    "and run this command again when it has ended"
                )
        return None

    def _following(self, control: Control, job: Job) -> str:
        """Return how to follow a job: with its command, unless that means more by now, such as a new version."""
        with suppress(JobEnded, NotFound):
            names = [name for name, _ in job.targets]
            if job.covers(replace(job, targets=tuple(self._targets(control, job.kind, names)))):
                return f"follow it with `{_command(job)}`"
        return "see its progress in `tailrace status`"

    def undo(self, name: str) -> dict[str, Any]:
        """Show readers the generation before the one that they see, if the definition still feeds it.

        Raises:
            NotFound: the definition has no such aggregate.
            JobEnded: there is no such generation.
        """
        control = self.context.control.read()
        self._newest([name])
        seen = control.shown(name)
        others = [
            one
            for one in control.generations.values()
            if one.aggregate == name and self._is_fed(control, one.id) and (seen is None or one.version < seen.version)
        ]
        if not others:
            raise JobEnded(
                f"no earlier generation of {name!r} is live: keep its version in the definition, alongside the new one"
            )
        chosen = max(others, key=lambda one: one.version)
        if not self.context.control.show(chosen):
            raise _changed(chosen.id)
        return {"shown": label(chosen.id), "before": None if seen is None else label(seen.id)}

    def status(self) -> dict[str, Any]:
        """Return the generations, the jobs, and how far the aggregate stage is in each shard."""
        control = self.context.control.read()
        meanings = fingerprints(self.context.pipeline)
        names = sorted({*control.generations, *meanings})
        return {
            "generations": [self._generation(control, name, meanings.get(name)) for name in names],
            "jobs": [
                _described(job)
                for number, job in enumerate(self.context.jobs.all())
                if number < _SHOWN_JOBS or job.state == "running"
            ],
            "shards": {name: _position(one) for name, one in self.context.progress.throughs().items()},
        }

    def job(self, name: str) -> dict[str, Any]:
        """Return the progress of a job; raises like :meth:`JobTable.read`."""
        return _described(self.context.jobs.read(name))

    def _generation(self, control: Control, name: GenerationId, meaning: str | None) -> dict[str, Any]:
        found = control.generations.get(name)
        shown = control.shown(name[0])
        described: dict[str, Any] = {
            "aggregate": name[0],
            "version": name[1],
            "state": "declared" if found is None else str(found.state),
            "exact": found is not None and found.exact,
            "reason": "" if found is None else found.reason,
            "shown": shown is not None and shown.id == name,
            "defined": meaning is not None,
        }
        if found is not None and meaning is not None and found.fingerprint != meaning:
            described["exact"] = False
            # what was wrong with a live one before cannot be repaired any more
            earlier = "" if found.state is State.LIVE else found.reason
            described["reason"] = earlier or meaning_changed(name[0])
        if found is not None and found.frontier is not None:
            described["frontier"] = found.frontier.time
        if found is not None and found.floor is not None:
            described["floor"] = found.floor.time
        return described

    def _newest(self, names: Sequence[str]) -> list[GenerationId]:
        """Return the newest version of each aggregate, or of those that are named."""
        newest: dict[str, int] = {}
        for one in self.context.pipeline.aggregates:
            newest[one.name] = max(one.version, newest.get(one.name, 0))
        for name in names:
            if name not in newest:
                raise NotFound(f"the definition has no aggregate {name!r}: it has {', '.join(sorted(newest))}")
        return [(name, newest[name]) for name in dict.fromkeys(names) or sorted(newest)]

    def _is_fed(self, control: Control, name: GenerationId) -> bool:
        found = control.generations.get(name)
        meaning = fingerprints(self.context.pipeline).get(name)
        return found is not None and found.state is State.LIVE and found.fingerprint == meaning

    def _show(self, control: Control, names: Sequence[GenerationId]) -> list[str]:
        """Show readers generations that are complete, and return their labels."""
        for name in names:
            if not self.context.control.show(control.generations[name]):
                raise _changed(name)
        return [label(one) for one in names]

    def _verifications(self, control: Control, names: Sequence[str]) -> list[GenerationId]:
        live = {name for name in control.generations if self._is_fed(control, name)}
        for name in names:
            if name not in {one[0] for one in live}:
                raise JobEnded(f"no generation of {name!r} is live as it is defined: run `tailrace rebuild {name}`")
        return sorted(one for one in live if not names or one[0] in names)

    def _execute(self, job: Job, *, resumed: bool) -> None:
        """Start an execution of a job, unless one is running."""
        if (resumed and self._is_running(job)) or self._begin(job):
            return
        try:
            self._begin(self.context.jobs.write(job))
        except Overtaken:
            return  # by an execution, or by a command that starts one

    def _begin(self, job: Job) -> bool:
        """Start an execution under a name that follows from how often the job was written; again, if it runs.

        Returns False if an execution of this name is over: it died before it wrote the job, and Step Functions keeps
        its name for 90 days.
        """
        try:
            self.states().start_execution(
                stateMachineArn=self.machine,
                name=f"{job.id}-{job.changes}",
                input=f'{{"job":"{job.id}","worked":""}}',
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, _USED_NAME):
                return False
            raise translate(error) from error
        return True

    def _is_running(self, job: Job) -> bool:
        request: Any = {"stateMachineArn": self.machine, "statusFilter": "RUNNING"}
        while True:
            try:
                page = self.states().list_executions(**request)
            except (ClientError, BotoCoreError) as error:
                raise translate(error) from error
            if any(one["name"].startswith(f"{job.id}-") for one in page["executions"]):
                return True
            if not page.get("nextToken"):
                return False
            request["nextToken"] = page["nextToken"]


def _command(job: Job) -> str:
    """Return the command that follows a job."""
    verb = "rebuild" if job.kind == "build" else "verify"
    options = [*(["--repair"] if job.repairs else []), *([f"--sample {job.sample}"] if job.sample < 1 else [])]
    return " ".join(["tailrace", verb, *sorted({name for name, _ in job.targets}), *options])


def _changed(name: GenerationId) -> JobEnded:
    return JobEnded(f"{label(name)} has just changed: run the command again")


def _described(job: Job) -> dict[str, Any]:
    return {
        "job": job.id,
        "kind": job.kind,
        "targets": [label(one) for one in job.targets],
        "repairs": job.repairs,
        "state": job.state,
        "reason": job.reason,
        "phase": job.phase,
        "done": job.done,
        "total": job.total,
        "began_at": job.began_at,
        "changes": job.changes,
        "updated_at": job.updated_at,
        "counts": job.data.get("counts"),
        "not_judged": job.data.get("unknown", []),
        "report": job.data.get("report"),
    }


def _position(position: Any) -> dict[str, Any]:
    return {"sequence": str(position.sequence), "created": position.created}
