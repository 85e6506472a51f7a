"""Compare the definition with its lock (`tailrace.backfill.fingerprints.lock`) at a start, or write the lock."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cli.test.worker import unstable_meanings
from local.errors import InvalidDefinition, MeaningChanged
from tailrace.backfill.fingerprints.lock import MeaningLock, lock_path, read_lock
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import DefinitionError

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "`make definition-lock`"

type Report = Callable[[str], None]


def check_lock(
    pipeline: Pipeline, reference: str, report: Report, present: MeaningLock | None = None, *, add: bool
) -> None:
    """Compare a pipeline with its lock; with `add`, complete the lock with what is new.

    `present` is what :func:`present_meaning` returned before the pipeline's functions ran, if they did.
    `report` is called with a sentence when something was added, or when there is no place for a lock.
    Raises MeaningChanged and InvalidDefinition.
    """
    path = _own_path(reference)
    if path is None:
        report(f"The meaning of {reference} is not locked: its module is not a file of this repository.")
        return
    present, locked = present or present_meaning(pipeline), _read(reference, path)
    changed, completed = locked.changed(present), locked.completed(present)
    if not changed and completed == locked and path.exists():
        return
    _check_stable(present, reference)
    if changed:
        raise MeaningChanged(_changed_sentence(changed, locked.changed_collections(present)))
    new = [entry for entry in sorted(present.aggregates) if entry not in locked.aggregates]
    what = ", ".join(new) or "collections"
    if not add:
        raise MeaningChanged(f"{_short(path)} is out of date ({what}): run {COMMAND} and commit the file.")
    report(_write(path, completed) or f"Locked the meaning of {what} in {_short(path)}: commit the file.")


def write_lock(pipeline: Pipeline, reference: str, report: Report) -> None:
    """Accept the pipeline's present meaning. Raises InvalidDefinition, or MeaningChanged if it cannot be written."""
    path = _own_path(reference)
    if path is None:
        raise MeaningChanged(
            f"The meaning of {reference} cannot be locked: its module is not a file of this repository."
        )
    try:
        locked = _read(reference, path)
    except MeaningChanged:  # such as a file with a merge conflict
        text = ""
        with suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace")
        locked = MeaningLock.recovered(text)
    present = present_meaning(pipeline)
    _check_stable(present, reference)
    changed = locked.changed(present)
    accepted = f" Accepted as unchanged: {', '.join(changed)}." if changed else ""
    if refused := _write(path, locked.completed(present)):
        raise MeaningChanged(refused)
    report(f"{_short(path)} holds the definition's meaning.{accepted}")


def _own_path(reference: str) -> Path | None:
    path = lock_path(reference)
    return path if path and path.is_relative_to(ROOT) and not path.is_relative_to(sys.prefix) else None


def present_meaning(pipeline: Pipeline) -> MeaningLock:
    """Return the lock that a pipeline has now; raises InvalidDefinition (the source of a function cannot be read)."""
    try:
        return MeaningLock.of(pipeline)
    except DefinitionError as error:
        raise InvalidDefinition(f"Invalid definition: {error}") from error


def _check_stable(present: MeaningLock, reference: str) -> None:
    """Raise InvalidDefinition if another process gets another fingerprint: none could continue what another built."""
    if unstable := unstable_meanings(present, reference):
        raise InvalidDefinition(
            f"Invalid definition: the meaning of {', '.join(unstable)} differs from process to process. A table that "
            "its functions use depends on the order of a set, on a hash, or on where it was made: sort it, or write it "
            "out."
        )


def _read(reference: str, path: Path) -> MeaningLock:
    try:
        return read_lock(reference)
    except (OSError, ValueError) as error:
        raise MeaningChanged(f"{_short(path)} cannot be read ({error}): run {COMMAND} to rewrite it.") from error


def _write(path: Path, lock: MeaningLock) -> str:
    """Write the file; return the error as a sentence, or an empty string."""
    try:
        path.write_text(lock.text(), encoding="utf-8")
    except OSError as error:
        return f"The definition's meaning is not locked: {_short(path)} cannot be written ({error.strerror})."
    return ""


def _changed_sentence(aggregates: Sequence[str], collections: Sequence[str]) -> str:
    cause = f" (schema, transform or on_expiry of {', '.join(collections)})" if collections else ""
    return (
        f"The meaning of {', '.join(aggregates)} has changed under the same version{cause}: raise version=, "
        f"or run {COMMAND} if every item still counts as before."
    )


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))
