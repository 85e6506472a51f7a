"""Items as the operations that were sent to the intake queue may leave them, once ingest has applied or refused them.

A dead letter that follows another one for the same item must not be compared with the item in the table while that one
waits in the queue. So everything that is sent is remembered, for the next run as well: what it was made from, and the
versions of the item that are possible after it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from msgspec import Struct, field

from cli.failures.sent_log import locked_file
from tailrace.aws.items.operations import item_after
from tailrace.aws.items.rows import StoredItem
from tailrace.definition.collection import Collection
from tailrace.encoding.keys import item_key
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage
from tailrace.inputs.messages import Operation

_RETENTION_S = 15 * 86_400  # a day longer than a dead-letter queue retains messages

type Versions = tuple[StoredItem | None, ...]
"""Possible versions of an item, None for no item; the last one is the expected one."""


class Expectations(Struct):
    """What this run and earlier ones have sent."""

    path: Path
    _pending: dict[str, Versions] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _file: TextIO | None = None

    def was_sent(self, name: str) -> bool:
        """Return whether what has this name was sent."""
        return name in self._names

    def pending(self, key: str, current: StoredItem | None) -> Versions | None:
        """Return the possible versions of an item that something was sent for; ``current`` is the item now.

        None if nothing was sent, or somebody else has changed the item since.
        """
        found = self._pending.get(key, ())
        tags = [etag_of(version) for version in found]
        if etag_of(current) not in tags:
            return None
        return found[-1:] if tags[-1] == etag_of(current) else found

    def add(self, name: str, *, stored: bool) -> None:
        """Remember that something was sent whose effect is not known; see :meth:`flush`, if it is ``stored``."""
        self._add({"name": name}, stored)

    def add_operation(
        self, name: str, operation: Operation, before: Versions, collection: Collection | None, *, stored: bool
    ) -> None:
        """Remember that an operation was sent for these versions of an item; see :meth:`flush`, if it is ``stored``.

        Each of them may stay, because ingest may refuse the operation. ``collection`` is that of the item, if known.
        """
        after = [*before, *(item_after(operation, version, collection) for version in before)]
        unique = {etag_of(version): version for version in reversed(after)}
        versions = [_as_json(version) for version in reversed(unique.values())]
        key = item_key(operation.collection, operation.id)
        self._add({"name": name, "key": key, "versions": versions}, stored)

    def flush(self) -> None:
        """Return when everything that was added is on disk."""
        if self._file is not None:
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
                self._take(entry)
            if len(fresh) < len(found):
                file.seek(0)
                file.writelines(dumps(entry) + "\n" for entry in fresh)
                file.truncate()
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def _add(self, entry: dict[str, Any], stored: bool) -> None:
        self._take(entry)
        if stored and self._file is not None:
            self._file.write(dumps(entry | {"at": int(time.time())}) + "\n")

    def _take(self, entry: dict[str, Any]) -> None:
        self._names.add(entry["name"])
        if "key" in entry:
            versions = (None if version is None else StoredItem(**version) for version in entry["versions"])
            self._pending[entry["key"]] = tuple(versions)


def etag_of(version: StoredItem | None) -> str | None:
    """Return the entity tag of an item; None if there is no item."""
    return None if version is None else version.etag


def _as_json(version: StoredItem | None) -> Any:
    return None if version is None else {"item": version.item, "expires_at": version.expires_at}


def _parse(line: str) -> Any:
    try:
        return loads(line)
    except InvalidMessage:  # a process was killed while it wrote the line
        return None
