"""What a step of a job returns: continue at once, come again later, or end."""

from msgspec import Struct

from tailrace.aws.jobs.job import Job


class Now(Struct, frozen=True):
    """The next step can run at once."""

    job: Job


class Again(Struct, frozen=True):
    """The same step runs again after some seconds."""

    job: Job
    seconds: int


class Done(Struct, frozen=True):
    """The job has finished."""

    job: Job


type Next = Now | Again | Done
