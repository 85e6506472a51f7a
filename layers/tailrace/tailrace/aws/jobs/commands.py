"""What operators ask of the history function: start, resume and undo jobs, and tell how things stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.backfill.control import Control
from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.workshop import JobEnded, Workshop, label
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.backfill.generations import GenerationId, State
from tailrace.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_stepfunctions import SFNClient

_STARTED_ALREADY = "ExecutionAlreadyExists"


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands.

    Attributes:
        shop: what jobs work with.
        machine: the state machine's ARN.
        states: makes a client of Step Functions.
    """

    shop: Workshop
    machine: str
    states: "Callable[[], SFNClient]"

    def start(self, kind: Kind, names: Sequence[str], *, repairs: bool = False, sample: float = 1.0) -> dict[str, Any]:
        """Start a job for some aggregates, or for all of them; one that is under way is resumed instead.

        Returns:
            ``job``: its id, or None if there is nothing to do; ``targets``; ``resumed``; ``shown``: the generations
            that needed no build, and were only shown to readers, after an undo.

        Raises:
            NotFound: the definition has no aggregate of a name.
            JobEnded: a generation cannot be built or verified.
        """
        control = self.shop.control.read()
        if kind == "build":
            newest = self._newest(names)
            targets = [one for one in newest if not self._is_fed(control, one)]
            shown = self._show(control, [one for one in newest if one not in targets])
        else:
            targets, shown = self._verifications(control, names), []
        if not targets:
            return {"job": None, "targets": [], "resumed": False, "shown": shown}
        for job in self.shop.jobs.all():
            if job.state == "running" and job.kind == kind and set(job.targets) & set(targets):
                self._execute(job, resumed=True)
                return {"job": job.id, "targets": [label(one) for one in job.targets], "resumed": True, "shown": shown}
        now = self.shop.clock()
        name = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}-{kind}"
        job = Job(name, kind, tuple(targets), now.isoformat(timespec="seconds"), repairs=repairs, sample=sample)
        self.shop.jobs.create(job)
        self._execute(job, resumed=False)
        return {"job": job.id, "targets": [label(one) for one in targets], "resumed": False, "shown": shown}

    def undo(self, name: str) -> dict[str, Any]:
        """Show readers the generation before the one that they see, if the definition still feeds it.

        Raises:
            JobEnded: there is no such generation.
        """
        control = self.shop.control.read()
        seen = control.shown(name)
        others = [
            one
            for one in control.generations.values()
            if one.aggregate == name and self._is_fed(control, one.id) and (seen is None or one.version < seen.version)
        ]
        if not others:
            raise JobEnded(
                f"no earlier generation of {name!r} is live: keep its version in the definition, beside the new one"
            )
        chosen = max(others, key=lambda one: one.version)
        if not self.shop.control.show(chosen):
            raise _changed(chosen.id)
        return {"shown": label(chosen.id), "before": None if seen is None else label(seen.id)}

    def status(self) -> dict[str, Any]:
        """Return the generations, the jobs, and how far the aggregate stage is in each shard."""
        control = self.shop.control.read()
        meanings = fingerprints(self.shop.pipeline)
        names = sorted({*control.generations, *meanings})
        return {
            "generations": [self._generation(control, name, meanings.get(name)) for name in names],
            "jobs": [_described(job) for job, _ in zip(self.shop.jobs.all(), range(20), strict=False)],
            "shards": {name: _position(one) for name, one in self.shop.progress.throughs().items()},
        }

    def job(self, name: str) -> dict[str, Any]:
        """Return how far a job is; raises like :meth:`JobTable.read`."""
        return _described(self.shop.jobs.read(name))

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
            described["reason"] = described["reason"] or "its meaning has changed"
        if found is not None and found.frontier is not None:
            described["frontier"] = found.frontier.time
        if found is not None and found.floor is not None:
            described["floor"] = found.floor.time
        return described

    def _newest(self, names: Sequence[str]) -> list[GenerationId]:
        """Return the newest version of each aggregate, or of those that are named."""
        newest: dict[str, int] = {}
        for one in self.shop.pipeline.aggregates:
            newest[one.name] = max(one.version, newest.get(one.name, 0))
        for name in names:
            if name not in newest:
                raise NotFound(f"the definition has no aggregate {name!r}: it has {', '.join(sorted(newest))}")
        return [(name, newest[name]) for name in names or sorted(newest)]

    def _is_fed(self, control: Control, name: GenerationId) -> bool:
        found = control.generations.get(name)
        meaning = fingerprints(self.shop.pipeline).get(name)
        return found is not None and found.state is State.LIVE and found.fingerprint == meaning

    def _show(self, control: Control, names: Sequence[GenerationId]) -> list[str]:
        """Show readers generations that are complete, and return those that they did not see: an undo hides them."""
        hidden = [name for name in names if control.pointers.get(name[0]) != name]
        for name in hidden:
            if not self.shop.control.show(control.generations[name]):
                raise _changed(name)
        return [label(one) for one in hidden]

    def _verifications(self, control: Control, names: Sequence[str]) -> list[GenerationId]:
        defined = fingerprints(self.shop.pipeline)
        live = {one.id for one in control.generations.values() if one.state is State.LIVE and one.id in defined}
        for name in names:
            if name not in {one[0] for one in live}:
                raise JobEnded(f"no generation of {name!r} is live: run `tailrace rebuild {name}`")
        return sorted(one for one in live if not names or one[0] in names)

    def _execute(self, job: Job, *, resumed: bool) -> None:
        """Start an execution of a job, unless one is running."""
        if resumed and self._is_running(job):
            return
        name = f"{job.id}-{job.changes}"
        try:
            self.states().start_execution(
                stateMachineArn=self.machine, name=name, input=f'{{"job":"{job.id}","worked":""}}'
            )
        except (ClientError, BotoCoreError) as error:
            if not has_code(error, _STARTED_ALREADY):
                raise translate(error) from error

    def _is_running(self, job: Job) -> bool:
        try:
            found = self.states().list_executions(stateMachineArn=self.machine, statusFilter="RUNNING")["executions"]
        except (ClientError, BotoCoreError) as error:
            raise translate(error) from error
        return any(one["name"].startswith(f"{job.id}-") for one in found)


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
        "counts": job.data.get("counts"),
        "not_judged": job.data.get("unknown", []),
        "report": job.data.get("report"),
    }


def _position(position: Any) -> dict[str, Any]:
    return {"sequence": str(position.sequence), "created": position.created}
