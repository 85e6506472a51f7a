"""The lock of the definition's meaning: a committed file with the fingerprint of each collection and aggregate.

An aggregate that counts differently under the same version would add new numbers to rows that old ones made, and no one
would notice. The lock lies beside the pipeline's module: `layers/tailrace/pipeline/definition.lock.json`. It keeps the
earlier versions of an aggregate, so that a version cannot come back with another meaning.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.errors import InvalidDefinition, MeaningChanged
from tailrace.backfill.meaning import collection_fingerprint, fingerprint
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import DefinitionError

ROOT = Path(__file__).resolve().parents[2]
SUFFIX = ".lock.json"
COMMAND = "`make definition-lock`"

type Report = Callable[[str], None]
type Fingerprints = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lock:
    """Fingerprints by `name@version` of the aggregate, and by the collection's name."""

    aggregates: Fingerprints
    collections: Fingerprints

    @classmethod
    def of(cls, pipeline: Pipeline) -> "Lock":
        """Return the lock that a pipeline has now. Raises InvalidDefinition if a function's source cannot be read."""
        try:
            return cls(
                {f"{one.name}@{one.version}": fingerprint(one) for one in pipeline.aggregates},
                {one.name: collection_fingerprint(one) for one in pipeline.collections},
            )
        except DefinitionError as error:
            raise InvalidDefinition(f"Invalid definition: {error}") from error

    @classmethod
    def parse(cls, text: str) -> "Lock":
        """Read a lock's text. Raises ValueError."""
        read = json.loads(text)
        parts = [read.get(name) for name in ("aggregates", "collections")] if isinstance(read, dict) else [None]
        for part in parts:
            if not isinstance(part, dict) or not all(isinstance(value, str) for value in part.values()):
                raise ValueError("it needs aggregates and collections with a fingerprint each")
        return cls(*parts)

    def text(self) -> str:
        """Return the file's text: sorted, an entry in each line."""
        parts = {"aggregates": dict(self.aggregates), "collections": dict(self.collections)}
        return json.dumps(parts, indent=2, sort_keys=True) + "\n"

    def completed(self, present: "Lock") -> "Lock":
        """Return what is locked after accepting the present definition: earlier versions of its aggregates remain."""
        names = {_name(entry) for entry in present.aggregates}
        earlier = {entry: value for entry, value in self.aggregates.items() if _name(entry) in names}
        return Lock({**earlier, **present.aggregates}, present.collections)

    def changed(self, present: "Lock") -> list[str]:
        """Return the aggregates whose meaning differs under the same version."""
        return _differing(self.aggregates, present.aggregates)


def check_lock(pipeline: Pipeline, reference: str, report: Report, *, add: bool) -> None:
    """Compare a pipeline with its lock; with `add`, complete the lock with what is new.

    `report` is called with a sentence when something was added, or when there is no place for a lock.
    Raises MeaningChanged and InvalidDefinition.
    """
    path = lock_path(reference)
    if path is None:
        report(f"The meaning of {reference} is not locked: its module is not a file of this repository.")
        return
    present, locked = Lock.of(pipeline), _read(path)
    if changed := locked.changed(present):
        raise MeaningChanged(_changed_sentence(changed, _differing(locked.collections, present.collections)))
    completed = locked.completed(present)
    if completed == locked and path.exists():
        return
    new = [entry for entry in sorted(present.aggregates) if entry not in locked.aggregates]
    what = ", ".join(new) or "collections"
    if not add:
        raise MeaningChanged(f"{_short(path)} is out of date ({what}): run {COMMAND} and commit the file.")
    _write(path, completed, report, f"Locked the meaning of {what} in {_short(path)}: commit the file.")


def write_lock(pipeline: Pipeline, reference: str, report: Report) -> None:
    """Accept the pipeline's present meaning. Raises InvalidDefinition and MeaningChanged (there is no place for it)."""
    path = lock_path(reference)
    if path is None:
        raise MeaningChanged(
            f"The meaning of {reference} cannot be locked: its module is not a file of this repository."
        )
    try:
        locked = _read(path)
    except MeaningChanged:  # such as a file with a merge conflict
        locked = Lock({}, {})
    present = Lock.of(pipeline)
    changed = locked.changed(present)
    accepted = f" Accepted as unchanged: {', '.join(changed)}." if changed else ""
    _write(path, locked.completed(present), report, f"{_short(path)} holds the definition's meaning.{accepted}")


def lock_path(reference: str) -> Path | None:
    """Return where the lock of an imported pipeline lies; None if its module is not a file of this repository."""
    module = sys.modules.get(reference.partition(":")[0])
    file = getattr(module, "__file__", None)
    if not file or not Path(file).is_relative_to(ROOT) or Path(file).is_relative_to(sys.prefix):
        return None
    path = Path(file)
    return path.with_name(("definition" if path.stem == "__init__" else path.stem) + SUFFIX)


def _read(path: Path) -> Lock:
    try:
        return Lock.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Lock({}, {})
    except (OSError, ValueError) as error:
        raise MeaningChanged(f"{_short(path)} cannot be read ({error}): run {COMMAND} to write it anew.") from error


def _write(path: Path, lock: Lock, report: Report, text: str) -> None:
    try:
        path.write_text(lock.text(), encoding="utf-8")
    except OSError as error:
        report(f"The definition's meaning is not locked: {_short(path)} cannot be written ({error.strerror}).")
    else:
        report(text)


def _changed_sentence(aggregates: Sequence[str], collections: Sequence[str]) -> str:
    cause = f" (schema, transform or on_expiry of {', '.join(collections)})" if collections else ""
    return (
        f"The meaning of {', '.join(aggregates)} has changed under the same version{cause}: raise version=, "
        f"or run {COMMAND} if every item still counts as before."
    )


def _differing(locked: Fingerprints, present: Fingerprints) -> list[str]:
    return [entry for entry in sorted(present) if locked.get(entry, present[entry]) != present[entry]]


def _name(entry: str) -> str:
    return entry.rpartition("@")[0]


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))
