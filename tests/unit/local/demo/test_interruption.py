"""Ctrl-C ends the demo in one line, whatever it does at that moment."""

import errno
import importlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import local
from local import run_stack
from local.demo import run
from local.deployment.processes import interrupt_on_termination


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("in_query", [True, False])
def test_an_interruption_is_no_error(
    number: signal.Signals, in_query: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise RuntimeError("Query interrupted") if in_query else error from None  # as DuckDB does

    monkeypatch.setattr(run, "run", interrupted)
    assert run.main([], {}) == run.EXIT_INTERRUPTED
    assert "Stopped." in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("module", "ends"), [("local.demo", True), ("local.run_stack", True), ("local.security.audit", False)]
)
def test_an_interruption_while_modules_are_imported_prints_no_traceback(
    module: str, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other commands handle no signals themselves."""
    handled: list[object] = []
    monkeypatch.setattr("signal.signal", lambda *both: handled.append(both))
    monkeypatch.setattr("sys.argv", ["-m"])
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", module])
    importlib.reload(local)
    assert handled == ([(signal.SIGINT, signal.SIG_DFL)] if ends else [])


@pytest.mark.parametrize("command", [run.main, run_stack.main])
def test_a_folder_that_cannot_be_written_is_one_sentence(
    command: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_only(**_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "demo.log")

    for module in (run, run_stack):
        monkeypatch.setattr(module, "load_checked_pipeline", read_only)
    assert command([]) == 1
    sentence = (
        "demo.log cannot be read or written: Read-only file system. Check its owner, and the space on the disk.\n"
    )
    assert capsys.readouterr().err == sentence


def test_another_runtime_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(run, "run", failing)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run.main([], {})


def test_what_ends_a_command_acts_like_an_interruption() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a shell's background job
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupt_on_termination()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_under_nohup_the_end_of_the_terminal_stays_ignored() -> None:
    """Before, `nohup make stack &` ended with it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt_on_termination()
    signal.raise_signal(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
