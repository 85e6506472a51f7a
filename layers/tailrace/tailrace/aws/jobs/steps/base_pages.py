"""The files of a base: pages that parts write, each under a unique name, and the list of those that count.

A part may run twice, and divide its rows differently. So the run that ends first lists its pages.
"""

from collections.abc import Iterator
from itertools import chain

from msgspec import Struct, field

from tailrace.aws.jobs.context import JobContext, JobEnded, Lines, label, spread
from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.job import Job
from tailrace.backfill.generations import Generation, GenerationId

_LISTED = "base-pages"


class BasePages(Struct):
    """The pages that a part writes; ``names`` includes those of earlier invocations."""

    folder: Folder
    prefix: str
    names: list[str] = field(default_factory=list)
    size: int = 0
    _lines: dict[str, Lines] = field(default_factory=dict)

    def add(self, name: GenerationId, partition: int, line: bytes) -> None:
        """Add a line to a generation's partition of rows."""
        self._lines.setdefault(label(name), {}).setdefault(partition, []).append(line)
        self.size += len(line)

    def flush(self) -> None:
        """Write the added lines as a page."""
        if not self.size:
            return
        name = f"{self.prefix}-{len(self.names):06}"
        for generation, by_partition in self._lines.items():
            for partition, lines in spread(by_partition):
                self.folder.write(f"base/{generation}/{partition:06}/{name}", lines)
        self.names.append(name)
        self._lines, self.size = {}, 0

    def end(self, part: int) -> None:
        """List the pages as those of a part, unless another run ended before."""
        self.folder.write_once(f"bases/{part:06}", [name.encode() for name in self.names])


def close_base(context: JobContext, job: Job) -> None:
    """Write the list of the pages that count, without those of runs that end later.

    An update changes this function before the aggregate function, and parts that an earlier release worked on are not
    listed: without them, the base would lack their items.

    Raises:
        JobEnded: another release worked on some parts.
    """
    folder = context.folder(job)
    if sum(1 for _ in folder.keys("bases")) < job.data["partitions"]:
        raise JobEnded("another release has computed a part of the base: run it again")
    folder.write_once(_LISTED, list(folder.all_lines("bases")))


def has_base(context: JobContext, job: Job) -> bool:
    """Tell whether the list of a base's pages exists; earlier releases made none."""
    return context.folder(job).lines_if_any(_LISTED) is not None


def base_lines(context: JobContext, job: Job, generation: Generation, partition: int) -> Iterator[bytes]:
    """Yield the lines of a partition of a generation's base, each with its place first."""
    folder = context.folder(job)
    names = {name.decode() for name in context.lines(job, _LISTED)}
    keys = folder.keys(f"base/{label(generation.id)}/{partition:06}")
    return chain.from_iterable(folder.lines_of(key) for key in keys if key.rpartition("/")[2] in names)
