"""Samples: a file of items, read as `load` reads it, or items generated as for `tailrace test`."""

import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec import field as member

from cli.definitions.generation.generator import Generator
from cli.definitions.subject import Subject
from cli.errors import CommandError, UsageError
from tailrace.aws.items.rows import StoredItem, arriving, validated_row
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem, InvalidMessage
from tailrace.inputs.cells import LineFields
from tailrace.inputs.lines import BadLine, Line, LineReader, detect_format
from tailrace.inputs.received_items import completed, stamp_of
from tailrace.inputs.unpacking import unpacked

type Numbered = tuple[str, Item, int]
"""An item with its id and the size of its line."""

_BAR_AFTER_S = 2
_BAR_WIDTH = 30
_EVERY = 500


@dataclass(slots=True)
class Progress:
    """A bar on the terminal, from two seconds on."""

    show: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def advance(self, share: float, what: str) -> None:
        """Show the progress of a step."""
        if self.clock() - self.began >= _BAR_AFTER_S:
            filled = round(min(1, share) * _BAR_WIDTH)
            self.show(f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {min(1, share):4.0%}  {what}")


def _present_stamp() -> str:
    return stamp_of(time.time_ns() // 1_000_000)


class SampleFile(Struct):
    """A file of items of one collection.

    Attributes:
        refused: the lines that load would refuse.
        reason: why the first of them would be.
        without_id: the lines without an id, which count as new items.
        stamp: the time at which all of them come in.
    """

    path: Path
    pipeline: Pipeline
    subject: Subject
    progress: Progress
    lines: int = 0
    refused: int = 0
    reason: str = ""
    without_id: int = 0
    stamp: str = member(default_factory=_present_stamp)

    def items(self) -> Iterator[Numbered]:
        """Yield the valid items.

        Raises:
            UsageError: there is no such file, it cannot be opened, or its name ends in no format.
            CommandError: its content is not of its format.
        """
        collection = self.subject.collection
        try:
            form, named_gzip = detect_format(self.path.name)
        except InvalidMessage as error:
            raise UsageError(f"{self.path}: {error}") from error
        try:
            with self.path.open("rb", buffering=0) as raw:
                size = max(1, os.fstat(raw.fileno()).st_size)
                text = unpacked(io.BufferedReader(raw), named_gzip=named_gzip, encoding="")
                reader = LineReader(text, form, collection.compiled, collection.id_columns, keys=collection.keys)
                for line in reader:
                    self.lines += 1
                    if not self.lines % _EVERY:
                        self.progress.advance(raw.tell() / size, f"{self.lines:,} lines of {self.path.name}")
                    found = self._item(line, reader.expiry)
                    if found is not None:
                        yield found
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror or error}") from error
        except InvalidMessage as error:
            raise CommandError(f"{self.path}: {error}") from error

    def _item(self, line: Line | BadLine, expiry: str) -> Numbered | None:
        expires_at = None
        of = self.subject.collection
        try:
            if isinstance(line, Line):
                arrived = arriving(self.pipeline, of.name, line.id, StoredItem(line.item, line.expires_at), self.stamp)
                item_id, item, expires_at = line.id, arrived.item, arrived.expires_at
            elif line.violation.pointer == "/id" and isinstance(line.raw, dict) and line.raw.get("id") is None:
                item, expires_at = completed(of, LineFields.of(of.compiled, of.keys).item(line.raw), None, self.stamp)
                self.without_id += 1
                item_id = self.subject.id_of(item) or f"line {line.number}"
            else:
                self._refuse(line.number, f"{line.violation.pointer} {line.violation.message}".strip())
                return None
            validated_row(self.pipeline, of.name, item_id, StoredItem(item, expires_at), expiry)
        except InvalidItem as error:
            first = error.violations[0]
            self._refuse(line.number, f"{first.pointer} {first.message}".strip())
        except InvalidMessage as error:
            self._refuse(line.number, str(error))
        else:
            return item_id, item, line.size
        return None

    def _refuse(self, number: int, reason: str) -> None:
        self.refused += 1
        self.reason = self.reason or f"line {number}: {reason}"


def generated(subject: Subject, count: int, progress: Progress, seed: int = 0) -> Iterator[Numbered]:
    """Yield generated items, as many as can be made, as an entrance would store them."""
    stamp = _present_stamp()
    generator = Generator(subject, subject.examples())
    items = generator.items(Random(seed))  # noqa: S311 - not for secrets
    for number, made in enumerate(islice(items, count), 1):
        if not number % _EVERY:
            progress.advance(number / count, f"{number:,} generated items")
        item, _ = completed(subject.collection, made, None, stamp)
        try:
            subject.collection.prepare(dict(item))
        except InvalidItem:
            continue
        yield subject.id_of(item) or f"item {number}", item, len(str(item))


def subject_of(pipeline: Pipeline, name: str | None) -> Subject:
    """Return the subject of the collection named, or of the only one.

    Raises:
        UsageError: there is none, or there are several and none is named.
    """
    names = list(pipeline.collections_by_name)
    if name is None and len(names) != 1:
        raise UsageError(f"the pipeline has several collections; pass --collection with one of {', '.join(names)}")
    collection = pipeline.collections_by_name.get(name or names[0])
    if collection is None:
        raise UsageError(f"there is no collection {name!r}; the pipeline has {', '.join(names)}")
    if not any(aggregate.of is collection for aggregate in pipeline.aggregates):
        raise CommandError(f"no aggregate counts items of {collection.name!r}: there is nothing to plan for.")
    return Subject.of(pipeline, collection)
