"""Another process that differs in all that no item holds: hash seed, clock, time zone, locale, folder, variables.

``python -m cli.test.worker REFERENCE SECONDS`` writes the fingerprint of each aggregate, reads lines
``[collection, item]``, and writes the outcome of each.
"""

import json
import linecache
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import replace
from pathlib import Path
from typing import Self

from msgspec import Struct

from cli.definitions.subject import Subject
from cli.test.clock import shift_clock
from tailrace.backfill.fingerprints.lock import MeaningLock
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import DefinitionError

_READS_ENVIRONMENT = re.compile(r"\b(environ|getenv)\b")
_VARIABLE = re.compile(r"""["']([A-Z][A-Z0-9_]*)["']""")


class Surroundings(Struct, frozen=True):
    """What a process is started with.

    ``shift_s`` moves its clock. ``turned`` are variables that it lacks if this process has them, and has otherwise.
    """

    hash_seed: int = 0
    zone: str = "UTC"
    locale: str = "C.UTF-8"
    shift_s: int = 0
    turned: frozenset[str] = frozenset()

    def variables(self) -> Mapping[str, str]:
        """Return the environment."""
        path = os.pathsep.join(dict.fromkeys(str(Path(entry).resolve()) for entry in sys.path))
        kept = {name: value for name, value in os.environ.items() if name not in self.turned}
        return (
            kept
            | dict.fromkeys(self.turned - os.environ.keys(), "17")
            | {
                "PYTHONHASHSEED": str(self.hash_seed),
                "PYTHONPATH": path,
                "TZ": self.zone,
                "LC_ALL": self.locale,
                "LANG": self.locale,
            }
        )


ELSEWHERE = Surroundings(4242, "Pacific/Kiritimati", "C", 341 * 86_400 + 11 * 3_600 + 1_234)
"""Nearly a year later, so that year, month, weekday and hour differ."""


def turned_variables(reference: str) -> Sequence[frozenset[str]]:
    """Return the variables to turn: the names in upper case in modules of a definition that read the environment.

    First all of them, then only those that are set here, since code may refuse a made-up value, such as of a log level.
    """
    package = reference.partition(":")[0].partition(".")[0]
    files = [getattr(one, "__file__", "") for name, one in [*sys.modules.items()] if name.partition(".")[0] == package]
    sources = ["".join(linecache.getlines(file)) for file in files if file]
    named = (_VARIABLE.findall(text) for text in sources if _READS_ENVIRONMENT.search(text))
    turned = frozenset(name for names in named for name in names)
    return list(dict.fromkeys([turned, turned.intersection(os.environ)]))


class Worker:
    """A process that evaluates items; use it in a ``with`` statement, and first ask whether it is ready."""

    def __init__(self, reference: str, surroundings: Surroundings) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tailrace-test-")
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-m", "cli.test.worker", reference, str(surroundings.shift_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=surroundings.variables(),
            cwd=self._folder.name,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._folder.cleanup()

    def is_ready(self) -> bool:
        """Wait until the pipeline is imported; False if it cannot be."""
        return self.fingerprints() is not None

    def fingerprints(self) -> Mapping[str, str] | None:
        """Wait until the pipeline is imported; return the fingerprints there, by name; None if it cannot be."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        return dict(json.loads(line)) if line else None

    def outcomes(self, collection: str, items: Sequence[Item]) -> list[str]:
        """Return the outcome of each item, in order.

        Raises:
            EOFError: the process has ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EOFError
        found: list[str] = []
        for item in items:  # one by one: both pipes are short
            try:
                stdin.write(json.dumps([collection, dumps(item)]) + "\n")
                stdin.flush()
            except OSError as error:
                raise EOFError from error
            line = stdout.readline()
            if not line:
                raise EOFError
            found.append(str(json.loads(line)))
        return found


def unstable_meanings(present: MeaningLock, reference: str) -> list[str]:
    """Return the collections and aggregates whose fingerprint differs in another process, though the source is one.

    ``present`` is the lock of this process, before any function of the definition has run.
    """
    with Worker(reference, replace(ELSEWHERE, shift_s=0)) as other:  # a shifted clock is another class
        found = other.fingerprints()
    return [name for name, here in _fingerprints(present).items() if found and found.get(name) != here]


def _fingerprints(lock: MeaningLock) -> Mapping[str, str]:
    """Return the fingerprint of each collection, and of each ``aggregate@version``."""
    return {**lock.collections, **{name: found[0] for name, found in lock.aggregates.items()}}


def _meanings(pipeline: Pipeline) -> Mapping[str, str]:
    try:
        return _fingerprints(MeaningLock.of(pipeline))
    except DefinitionError:  # a function has no source; its items can be tried all the same
        return {}


def main(reference: str, shift_s: str) -> int:
    """Answer until the input ends."""
    time.tzset()
    asked, output = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the user's code prints
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # it finds the end of its input, not the items to answer
    if int(shift_s):
        shift_clock(int(shift_s))
    pipeline = load_pipeline(reference)
    subjects = {collection.name: Subject.of(pipeline, collection) for collection in pipeline.collections}
    output.write(json.dumps(_meanings(pipeline)) + "\n")
    output.flush()
    for line in asked:
        collection, item = json.loads(line)
        output.write(json.dumps(subjects[collection].outcome(loads(item))) + "\n")
        output.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
