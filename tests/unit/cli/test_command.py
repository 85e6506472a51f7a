"""The `tailrace` command: its arguments, its help, and how it ends when it is stopped."""

import importlib
import os
import signal

import pytest

import cli
from cli import __main__ as command
from cli.test import command as test


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dashboard"], "the following arguments are required: --stack"),
        (["dashboard", "--stack", "a_b"], "a stack name has up to 128 letters, digits and hyphens, not 'a_b'"),
        (["dashboard", "--stack", "a" * 129], "a stack name has"),
        (["plan", "--stack", "a_b"], "a stack name has up to 128 letters, digits and hyphens, not 'a_b'"),
        *(
            (["check", "--table", name], f"{name!r} is not the name of a table; pass its name, not its ARN: 3 to 255 ")
            for name in ("", "a b", "ab", "arn:aws:dynamodb:r:1:table/t")
        ),
        (["dashboard", "--stack", "a", "--port", "0"], "a port must be a whole number from 1 to 65535, not '0'"),
        (["dashboard", "--stack", "a", "--port", "9" * 9999], "a port must be a whole number"),
        (["dashboard", "--stack", "a", "--port", "٣"], "a port must be a whole number"),
        (["dashboard", "--stack", "a", "\x1b[31m é \udcff"], "unrecognized arguments: \\u001b[31m é \\udcff\n"),
        (["plan", "\x1b[31m"], "unrecognized arguments: \\u001b[31m\n"),
        (["status", "--stack", "a", "--json=\x9b31m"], "ignored explicit argument '\\x9b31m'\n"),
    ],
)
def test_invalid_arguments_are_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--help"], ("dashboard", "redrive", "replay", "quarantine", "status: 0")),
        (["redrive", "--help"], ("--create", "--overwrite", "--newer-by", "--discard", "--dry-run", "--endpoint-url")),
        (["replay", "--help"], ("--from", "--to", "--restart", "--limit", "--rate")),
        (["quarantine", "--help"], ("list", "show", "replay")),
        (
            ["dashboard", "--help"],
            ("--stack", "--region", "--profile", "--port", "--no-open", "execute-api:Invoke", "status: 0 stopped"),
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            command.main(arguments)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert all(word in told for word in words)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_has_not_succeeded(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    """`tailrace test && make deploy` must not deploy."""
    monkeypatch.setattr(test, "load_definition", lambda _: os.kill(os.getpid(), number))
    assert command.main(["test"]) == status


def test_a_command_that_is_stopped_while_it_starts_prints_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules take half a second to import."""
    handled: list[object] = []
    monkeypatch.setattr("signal.signal", lambda *both: handled.append(both))
    importlib.reload(cli)
    assert not handled  # by who imports it, such as this test
    monkeypatch.setattr("sys.argv", ["-m"])
    importlib.reload(cli)
    assert handled == [(signal.SIGINT, signal.SIG_DFL)]
