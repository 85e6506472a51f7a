"""What a step of a job returns: continue at once, come again later, or end."""

from dataclasses import dataclass

from tailrace.aws.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Now:
    """The next step can run at once."""

    job: Job


@dataclass(frozen=True, slots=True)
class Again:
    """The same step runs again after some seconds."""

    job: Job
    seconds: int


@dataclass(frozen=True, slots=True)
class Done:
    """The job has finished."""

    job: Job


type Next = Now | Again | Done
