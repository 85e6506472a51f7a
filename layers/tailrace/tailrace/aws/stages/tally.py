"""What became of a file's lines: counted for its receipt, refused ones kept for quarantine."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field

from tailrace.aws.stages.checkpoints import Checkpoint
from tailrace.aws.stages.receipts import Upload
from tailrace.encoding.json_types import Item
from tailrace.errors import TailraceError, Violation
from tailrace.inputs.lines import BadLine, Line
from tailrace.inputs.raw_lines import Bookmark
from tailrace.outputs.quarantine_reports import quarantine_object
from tailrace.outputs.stored_object import StoredObject

_MAX_ERRORS_IN_RECEIPT = _MAX_VIOLATIONS_OF_ONE = 20
"""A line may have thousands of violations, and a function answers with its receipts: 6 MB at most."""


class Tally(Struct):
    """The outcome of a file's lines so far, and what is not written yet."""

    upload: Upload
    etag: str
    started_at: str
    bookmark: Bookmark = field(default_factory=Bookmark)
    accepted: int = 0
    rejected: int = 0
    errors: list[Item] = field(default_factory=list)
    rows: dict[str, tuple[Line, dict[str, Any]]] = field(default_factory=dict)
    quarantine_reports: list[StoredObject] = field(default_factory=list)
    buffered_lines: int = 0
    buffered_bytes: int = 0

    def resume(self, start: Checkpoint) -> None:
        """Continue from a checkpoint."""
        self.started_at, self.bookmark = start.started_at, start.bookmark
        self.accepted, self.rejected, self.errors = start.accepted, start.rejected, [*start.errors]

    def checkpoint(self) -> Checkpoint:
        """Return the outcome so far, once nothing is unwritten."""
        return Checkpoint(self.started_at, *self.bookmark, self.accepted, self.rejected, [*self.errors])

    def refuse(self, line: Line | BadLine, violations: Sequence[Violation]) -> None:
        """Count a line as rejected, and prepare its report."""
        if len(self.errors) < _MAX_ERRORS_IN_RECEIPT:
            shown = violations[:_MAX_VIOLATIONS_OF_ONE]
            details = [{"pointer": v.pointer, "keyword": v.keyword, "message": v.message} for v in shown]
            self.errors.append({"line": line.number, "violations": details})
        self.rejected += 1
        stored = quarantine_object(
            entrance="file",
            collection=self.upload.collection,
            id=line.id if isinstance(line, Line) else None,
            item=line.item if isinstance(line, Line) else line.raw,
            violations=violations,
            origin={"file": self.upload.key, "line": str(line.number), "sequencer": self.upload.sequencer},
            time=self.upload.uploaded_at,
            details={} if isinstance(line, BadLine) or line.expires_at is None else {"expires_at": line.expires_at},
        )
        self.quarantine_reports.append(stored)
        self.buffered_bytes += len(stored.body)  # it may be a hundred times larger than the line

    def receipt(self, failures: Sequence[TailraceError], clock: Callable[[], datetime]) -> Item:
        """Return the file's receipt; ``failures`` are what is wrong with the file as a whole."""
        return {
            "file": self.upload.key,
            "etag": self.etag,
            "sequencer": self.upload.sequencer,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "errors": self.errors,
            "started_at": self.started_at,
            "finished_at": iso(clock()),
        } | ({"failure": str(failures[0])} if failures else {})


def iso(moment: datetime) -> str:
    """Return a time in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
