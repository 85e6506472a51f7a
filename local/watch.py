"""Redeploy a running stack when its definition is saved.

The definition is checked in a process of its own, so that nothing of the old one remains in it.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from local.deployment.build import build, digest_of, hold_only, present_build
from local.deployment.derived_build import LAYER_SOURCES, definition_files
from local.deployment.emulator import ROOT
from local.deployment.processes import clean_environment
from local.errors import LocalError
from tailrace.backfill.fingerprints.lock import SUFFIX

CHECK = ("-m", "local.deployment.check_definition", "--add")
_CHECK_S = 60.0
"""Longer than any check takes: while one runs, the stack is not saved, and saved files are not seen."""

type Report = Callable[[str], None]
type Signature = list[tuple[str, int, int]]


class RunningStack(Protocol):
    """What is redeployed."""

    @property
    def built(self) -> Path | None:
        """The build that is deployed."""

    def update(self, built: Path) -> None:
        """Deploy another build, between two calls of the pollers. Raises LocalError."""


class Watcher[S: RunningStack]:
    """Looks at the definition's files. `on_redeploy` is called with the stack after each redeployment."""

    def __init__(self, stack: S, report: Report, on_redeploy: Callable[[S], None] = lambda _: None) -> None:
        self._stack = stack
        self._report = report
        self._on_redeploy = on_redeploy
        self._seen = _signature()
        self._handled: Signature = []  # the definition may have been saved since the stack was built

    def look(self) -> None:
        """Redeploy the stack if the definition was saved, but not since the last look, unless all sources are deployed.

        So saving an unchanged definition deploys it after a failure, or with other sources that have changed, such as
        the template.
        """
        signature = _signature()
        settled, self._seen = signature == self._seen, signature
        if not settled or signature == self._handled:
            return
        self._handled = signature
        try:
            is_new = present_build() != self._stack.built and self._redeploy()
        except (LocalError, OSError) as error:  # such as a full disk, which does not end the running stack
            told = " ".join([str(error), *getattr(error, "__notes__", ())])
            self._report(f"The definition was not deployed; the previous one keeps running. {told}")
        else:
            if is_new:
                self._on_redeploy(self._stack)

    def _redeploy(self) -> bool:
        began = time.monotonic()
        checked = digest_of(_without_locks())
        if not self._is_valid():
            self._report("The stack keeps running with the previous definition.")
            return False
        built = build()
        if digest_of(_without_locks()) != checked:
            return False  # it was saved again: the next look sees it, even if it is as it was
        self._handled = _signature()  # the check may complete the lock
        self._stack.update(built)
        hold_only(built)
        self._report(f"Deployed the changed definition in {time.monotonic() - began:.1f} s.")
        return True

    def _is_valid(self) -> bool:
        try:
            checked = subprocess.run(
                [sys.executable, *CHECK],
                cwd=ROOT,
                env=clean_environment(PYTHONPATH=str(LAYER_SOURCES)),
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_CHECK_S,
            )
        except subprocess.TimeoutExpired:
            self._report(
                f"Invalid definition: its check did not end within {_CHECK_S:.0f} s; look for an endless loop."
            )
            return False
        for line in checked.stderr.splitlines():
            self._report(line)
        return checked.returncode == 0


def _without_locks() -> Iterator[Path]:
    return (path for path in definition_files() if not path.name.endswith(SUFFIX))


def _signature() -> Signature:
    return [(str(path), *_stamp(path)) for path in definition_files()]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # an editor is replacing it, or it is a link to nowhere
        return 0, 0
    return status.st_mtime_ns, status.st_size
