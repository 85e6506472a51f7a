"""The remainder of a part that ran out of time: the next invocation continues there.

A part with more work than fits into an invocation stores its progress, and the job lists it again with the others of
its kind, until none is left.
"""

import json
from typing import Any

from msgspec import Struct

from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.job import Job
from tailrace.errors import Transient


class OutOfTime(Transient):
    """A part has stored its progress, for the next invocation."""


class Remainder(Struct, frozen=True):
    """The progress of a part of a job's step, in the job's folder."""

    folder: Folder
    step: str
    part: int

    def read(self) -> dict[str, Any]:
        """Return the stored progress; empty for a part that begins or has ended."""
        for line in self.folder.all_lines(self._path):
            return dict(json.loads(line))
        return {}

    def store(self, **progress: Any) -> OutOfTime:
        """Store the progress, and return the error for the part to raise."""
        self.folder.write(f"{self._path}/progress", [json.dumps(progress).encode()])
        return OutOfTime(f"part {self.part} of step {self.step!r} is continued by the next invocation")

    def end(self) -> None:
        """Clear the stored progress, if any: the part has ended."""
        if self.read():
            self.folder.write(f"{self._path}/progress", [])

    @property
    def _path(self) -> str:
        return f"left/{self.step}/{self.part:06}"


def parts_left(folder: Folder, job: Job) -> list[int]:
    """Return the unfinished parts of a job's step."""
    root = f"{folder.root}/left/{job.step}/"
    parts = {int(key.removeprefix(root).partition("/")[0]) for key in folder.keys(f"left/{job.step}")}
    return [part for part in sorted(parts) if Remainder(folder, job.step, part).read()]
