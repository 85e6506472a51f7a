"""A full or read-only disk is told as the cause of whatever it makes fail, and where it is."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.demo.run import main
from local.deployment import build
from local.deployment.emulator import Emulator
from local.errors import DeployFailed, EmulatorFailed, LocalError, error_text, refusal

FULL, READ_ONLY = os.strerror(errno.ENOSPC), os.strerror(errno.EROFS)


class Process:
    """A running one."""

    def poll(self) -> None:
        """It has not ended."""


def emulator(folder: Path, printed: str) -> Emulator:
    log = folder / "emulator.log"
    log.write_text(printed, encoding="utf-8")
    return Emulator(Process(), 4566, log)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_what_the_log_says_is_the_cause_of_a_failed_deployment(number: int, tmp_path: Path) -> None:
    """The deployment itself says only that it did not end."""
    running = emulator(tmp_path, f"ERROR Warm worker execution error: [Errno {number}] {os.strerror(number)}\n")
    with pytest.raises(DeployFailed) as raised, running.reporting():
        raise DeployFailed("The deployment did not end in 120 s.")
    told = error_text(raised.value).splitlines()
    assert told[0] == "The deployment did not end in 120 s."
    assert told[1].startswith(f"{os.strerror(number)}: check the disks of {tempfile.gettempdir()} and /")


def test_a_disk_that_is_too_full_for_the_log_is_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> Any:  # noqa: A002 - its name
        raise OSError(errno.ENOSPC, FULL) if dir == tmp_path else OSError(errno.EACCES, "another reason")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert refusal("", Path("/other"), tmp_path) == f"{FULL}: check the disk of {tmp_path}."
    assert refusal("", Path("/other")) == ""


def test_a_limit_of_open_files_is_the_cause(tmp_path: Path) -> None:
    """Of the emulator, whose functions then do not start, or of the process that holds the stack."""
    told = f"{os.strerror(errno.EMFILE)}: raise the limit, for example with `ulimit -n 1024`, and try again."
    running = emulator(tmp_path, f"ERROR Warm worker execution error: [Errno 24] {os.strerror(errno.EMFILE)}\n")
    with pytest.raises(LocalError) as raised, running.reporting():
        raise LocalError("A call to the stack failed.")
    assert error_text(raised.value) == f"A call to the stack failed.\n{told}"
    assert error_text(OSError(errno.EMFILE, os.strerror(errno.EMFILE))) == told


def test_an_error_of_another_cause_has_no_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.deployment.emulator.EXIT_WAIT_S", 0.1)
    running = emulator(tmp_path, "all is well\n")
    with pytest.raises(EmulatorFailed) as raised, running.reporting():
        raise EndpointConnectionError(endpoint_url=running.endpoint)
    assert error_text(raised.value).count("\n") == 0


def test_a_build_that_fills_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lines of its log need not."""
    sam = tmp_path / "sam"
    sam.write_text(f"#!/bin/sh\necho '[Errno 28] {FULL}'\nseq 60\nexit 1\n", encoding="utf-8")
    sam.chmod(0o755)
    monkeypatch.setattr(build, "SAM", sam)
    monkeypatch.setattr(build, "LOGS", tmp_path)
    with pytest.raises(DeployFailed, match="^`sam build` failed with status 1 ") as raised:
        build._run_sam("build", [], os.environ)
    assert error_text(raised.value).splitlines()[-1].startswith(f"{FULL}: check the disks of ")


@pytest.mark.parametrize(("file", "where"), [(None, f"A file in {tempfile.gettempdir()} or "), ("/x/y", "/x/y cannot")])
def test_a_write_that_fails_says_where(
    file: str | None, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, FULL, *filter(None, [file]))

    monkeypatch.setattr("local.demo.run.run", fail)
    assert main([], {}) == 1
    told = capsys.readouterr().err
    assert told.startswith(where)
    assert f" cannot be read or written: {FULL}." in told
    noted = LocalError("It failed.")
    noted.add_note("Why.")
    assert error_text(noted) == "It failed.\nWhy."
