"""The lock of the definition's meaning: a committed file with the fingerprint of each collection and aggregate.

An aggregate that counts differently under the same version would add new numbers to rows that old ones made, and no one
would notice. The lock is next to the pipeline's module: ``pipeline/definition.lock.json``. An aggregate's entry begins
with its present fingerprint; earlier ones follow, which whoever changed the code has accepted as the same meaning. The
last one, the oldest, stands for the meaning in control rows, so that an accepted change interrupts no generation. The
lock keeps the earlier versions of an aggregate, so that none can come back with another meaning.
"""

import json
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from tailrace.backfill.fingerprints.meaning import collection_fingerprint, fingerprint, stored_form
from tailrace.backfill.generations import GenerationId
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import Pipeline

SUFFIX = ".lock.json"

_ENTRY = re.compile(r'"([^"@]+@[0-9]+)": "([0-9a-f ]+)"')


class MeaningLock(Struct, frozen=True):
    """What is locked.

    Attributes:
        aggregates: fingerprints by ``name@version``, the present one first.
        collections: fingerprints by name.
    """

    aggregates: Mapping[str, tuple[str, ...]]
    collections: Mapping[str, str]

    @classmethod
    def of(cls, pipeline: Pipeline) -> Self:
        """Return the lock that a pipeline has now.

        Raises:
            DefinitionError: the source of a function cannot be read.
        """
        return cls(
            {entry_name(one): (fingerprint(one),) for one in pipeline.aggregates},
            {one.name: collection_fingerprint(one) for one in pipeline.collections},
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a file's text.

        Raises:
            ValueError: it is not a lock.
        """
        read = json.loads(text)
        aggregates, collections = (_entries(read, name) for name in ("aggregates", "collections"))
        return cls({entry: tuple(value.split()) for entry, value in aggregates.items()}, collections)

    @classmethod
    def recovered(cls, text: str) -> Self:
        """Read what a text holds of a lock, such as a file with a merge conflict.

        An aggregate that occurs more than once has all its fingerprints; the oldest is that of the first occurrence.
        """
        aggregates: dict[str, tuple[str, ...]] = {}
        for entry, values in _ENTRY.findall(text):
            known = aggregates.get(entry, ())
            aggregates[entry] = (*(one for one in values.split() if one not in known), *known)
        return cls(aggregates, {})

    def text(self) -> str:
        """Return the file's text: sorted, an entry in each line."""
        aggregates = {entry: " ".join(values) for entry, values in self.aggregates.items()}
        parts = {"aggregates": aggregates, "collections": dict(self.collections)}
        return json.dumps(parts, indent=2, sort_keys=True) + "\n"

    def changed(self, present: Self) -> list[str]:
        """Return the aggregates whose meaning differs under the same version."""
        return [
            entry
            for entry, (now,) in sorted(present.aggregates.items())
            if entry in self.aggregates and now not in self.aggregates[entry]
        ]

    def changed_collections(self, present: Self) -> list[str]:
        """Return the collections whose meaning differs."""
        known = self.collections
        return [name for name, now in sorted(present.collections.items()) if known.get(name, now) != now]

    def completed(self, present: Self) -> Self:
        """Return what is locked once the present definition is accepted."""
        names = {_aggregate(entry) for entry in present.aggregates}
        kept = {entry: values for entry, values in self.aggregates.items() if _aggregate(entry) in names}
        for entry, (now,) in present.aggregates.items():
            known = kept.get(entry, ())
            kept[entry] = known if now in known else (now, *known)
        return type(self)(kept, present.collections)

    def meaning(self, aggregate: Aggregate) -> str:
        """Return what stands for an aggregate's meaning: the oldest of the fingerprints accepted as the same."""
        now = fingerprint(aggregate)
        known = self.aggregates.get(entry_name(aggregate), ())
        return known[-1] if now in known else now


def meanings(pipeline: Pipeline) -> Mapping[GenerationId, str]:
    """Return what stands for the meaning of each aggregate, and for the form of its rows.

    A lock that cannot be read counts as none.
    """
    lock = MeaningLock({}, {})
    with suppress(OSError, ValueError):
        lock = read_lock(pipeline.reference)
    return {(one.name, one.version): lock.meaning(one) + stored_form(one) for one in pipeline.aggregates}


def entry_name(aggregate: Aggregate) -> str:
    """Return the name of an aggregate's entry."""
    return f"{aggregate.name}@{aggregate.version}"


def lock_path(reference: str) -> Path | None:
    """Return where the lock of an imported pipeline is; None if its module is not a file."""
    module = sys.modules.get(reference.partition(":")[0])
    file = getattr(module, "__file__", None)
    if not file:
        return None
    path = Path(file)
    return path.with_name(("definition" if path.stem == "__init__" else path.stem) + SUFFIX)


def read_lock(reference: str) -> MeaningLock:
    """Return the lock of an imported pipeline; an empty one without a file.

    Raises:
        ValueError: the file is not a lock.
        OSError: it cannot be read.
    """
    path = lock_path(reference)
    if path is None or not path.exists():
        return MeaningLock({}, {})
    return MeaningLock.parse(path.read_text(encoding="utf-8"))


def _entries(read: Any, name: str) -> Mapping[str, str]:
    entries = read.get(name) if isinstance(read, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        raise ValueError(f"it has no {name} with a fingerprint each")
    return entries


def _aggregate(entry: str) -> str:
    return entry.rpartition("@")[0]
