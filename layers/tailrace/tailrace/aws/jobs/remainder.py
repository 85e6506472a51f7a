"""What is left of a part that ran out of time: the next invocation continues there.

A part that has more work than an invocation has time for stores how far it is, and the job lists it again with the
others of its kind, until none is left.
"""

import json
from typing import Any

from msgspec import Struct

from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.job import Job
from tailrace.errors import Transient


class OutOfTime(Transient):
    """A part has stored how far it is, and is to be worked on again."""


class Remainder(Struct, frozen=True):
    """How far a part of a job's step is, in the job's folder."""

    folder: Folder
    step: str
    part: int

    def read(self) -> dict[str, Any]:
        """Return what was stored; nothing for a part that begins, or that has ended."""
        for line in self.folder.all_lines(self._path):
            return dict(json.loads(line))
        return {}

    def store(self, **progress: Any) -> OutOfTime:
        """Store how far the part is, and return what it raises."""
        self.folder.write(f"{self._path}/progress", [json.dumps(progress).encode()])
        return OutOfTime(f"part {self.part} of step {self.step!r} is continued by the next invocation")

    def end(self) -> None:
        """Forget what was stored, if anything was: the part has ended."""
        if self.read():
            self.folder.write(f"{self._path}/progress", [])

    @property
    def _path(self) -> str:
        return f"left/{self.step}/{self.part:06}"


def parts_left(folder: Folder, job: Job) -> list[int]:
    """Return the parts of a job's step that are to be worked on again."""
    root = f"{folder.root}/left/{job.step}/"
    parts = {int(key.removeprefix(root).partition("/")[0]) for key in folder.keys(f"left/{job.step}")}
    return [part for part in sorted(parts) if Remainder(folder, job.step, part).read()]
