"""Items as the operations that were sent to the intake queue will leave them, once ingest has applied them.

An operation on an item that has another one before it in the queue must not be compared with the item in the table. So
every operation that is sent is remembered, also for the next run: the item's ETag before it, and the item after it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cli.failures.sent_log import locked_file
from tailrace.aws.items.store import StoredItem
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage

_RETENTION_S = 8 * 86_400  # a day longer than the intake queue retains messages


@dataclass(slots=True)
class Pending:
    """The operations sent for an item: the ETags between them (None: no item), and the item after the last one."""

    tags: list[str | None]
    last: StoredItem | None


@dataclass(slots=True)
class Expectations:
    """The operations of this run and of earlier ones, by item key."""

    path: Path
    pending: dict[str, Pending] = field(default_factory=dict)
    _file: TextIO | None = None

    def after_pending(self, key: str, current: StoredItem | None) -> Pending | None:
        """Return what was sent for an item, if nobody else has changed it since; ``current`` is the item now."""
        found = self.pending.get(key)
        return found if found is not None and _tag(current) in found.tags else None

    def add(self, key: str, before: StoredItem | None, after: StoredItem | None, *, stored: bool) -> None:
        """Remember an operation; on disk if it is ``stored``."""
        self._chain(key, _tag(before), after)
        if stored and self._file is not None:
            item = None if after is None else {"item": after.item, "expires_at": after.expires_at}
            entry = {"at": int(time.time()), "key": key, "before": _tag(before), "after": item}
            self._file.write(dumps(entry) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Read what earlier runs have sent, and keep other processes out until the block ends.

        Raises:
            CommandError: another process has it open.
        """
        with locked_file(self.path) as file:
            oldest = time.time() - _RETENTION_S
            found = [_parse(line) for line in file]
            fresh = [entry for entry in found if entry is not None and entry["at"] > oldest]
            for entry in fresh:
                self._chain(entry["key"], entry["before"], entry["after"] and StoredItem(**entry["after"]))
            if len(fresh) < len(found):
                file.seek(0)
                file.writelines(dumps(entry) + "\n" for entry in fresh)
                file.truncate()
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def _chain(self, key: str, before: str | None, after: StoredItem | None) -> None:
        found = self.pending.get(key)
        tags = found.tags if found is not None and before in found.tags else [before]
        self.pending[key] = Pending([*tags, _tag(after)], after)


def _tag(item: StoredItem | None) -> str | None:
    return None if item is None else item.etag


def _parse(line: str) -> Any:
    try:
        return loads(line)
    except InvalidMessage:  # a process was killed while it wrote the line
        return None
