"""What commands print and remember: results, progress, the state folder; and Ctrl-C between two steps."""

import argparse
import io
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from cli import __main__ as command
from cli.console import make_state_folder, say, show_progress, state_folder, uninterrupted
from cli.errors import CommandError
from cli.test import command as test


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_step_takes_effect_after_it(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    done = []

    def step(_: str) -> None:
        with uninterrupted():
            os.kill(os.getpid(), number)
            done.append(True)

    monkeypatch.setattr(test, "load_definition", step)
    assert (command.main(["test"]), done) == (status, [True])


def test_a_state_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        CommandError, match=r"s\.r\.i, which remembers .* Not a directory\. Set XDG_STATE_HOME to a folder"
    ):
        make_state_folder(state_folder("s", "r", "arn:aws:cloudformation:r:1:stack/s/i"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with monkeypatch.context() as patched:
        patched.delenv("XDG_STATE_HOME")
        patched.setattr("os.path.expanduser", str)  # as for a user without a home
        with pytest.raises(
            CommandError, match=r"folder ~/\.local/state/.* there is no home folder\. Set XDG_STATE_HOME"
        ):
            make_state_folder(state_folder("s", "r", "arn:aws:cloudformation:r:1:stack/s/i"))
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(CommandError, match="it is not writable"):
        make_state_folder(state_folder("s", "r", "arn:aws:cloudformation:r:1:stack/s/i"))


@pytest.mark.parametrize(("width", "shown"), [(20, 19), (200, 50), (0, 50)])
def test_progress_takes_one_line_of_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int, shown: int) -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, width))
    with os.fdopen(follower, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        show_progress("x" * 50)
        assert os.read(leader, 1_000) == b"\r\033[K" + b"x" * shown
    os.close(leader)


@pytest.mark.parametrize(
    ("error", "told"), [(CommandError("It is over."), b"tailrace: It is over.\r\n"), (KeyboardInterrupt, b"")]
)
def test_the_end_of_a_command_takes_the_place_of_its_progress(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, told: bytes
) -> None:
    def run(_options: argparse.Namespace) -> int:
        show_progress("171 of 900")
        raise error

    leader, follower = pty.openpty()
    with os.fdopen(follower, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(test, "run", run)
        command.main(["test"])
        terminal.flush()
        expected, found = b"\r\033[K171 of 900\r\033[K" + told, b""
        while len(found) < len(expected):  # a terminal passes on what it gets in any number of pieces
            found += os.read(leader, 1_000)
        assert found == expected
    os.close(leader)


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252", "utf-8"])
def test_json_stays_json_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """Python's own escapes, such as \\xe4, are none of JSON."""
    texts = ["ä", "€", "😀", "\ud800", "plain"]

    def run(_options: argparse.Namespace) -> int:
        say(json.dumps(texts, ensure_ascii=False))
        return 0

    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(test, "run", run)
    assert command.main(["test"]) == 0
    assert json.loads(written.getvalue().decode(encoding)) == texts


@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        pytest.param(
            ">/dev/full",
            "tailrace: The result cannot be printed: No space left on device.\n",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="macOS has no /dev/full"),
        ),
        (">&-", "tailrace: The result cannot be printed: standard output is closed.\n"),
        (">&- 2>&-", ""),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(redirection: str, told: str) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.quote(sys.executable)} -P -m cli test --seconds 1 --items 20 {redirection}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, told)


def test_a_second_interrupt_takes_effect_at_once() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []

    def step() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(2)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert reached == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
