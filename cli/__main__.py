"""``tailrace``: the subcommands, their common errors, and the exit status."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cli import history, quarantine, redrive, replay
from cli.check import command as check
from cli.console import ESCAPES, drop_output, interrupt, show_progress, visible
from cli.dashboard import command as dashboard
from cli.errors import CommandError
from cli.plan import command as plan
from cli.test import command as test
from tailrace.version import VERSION

_EPILOG = """\
exit status: 0 done; 1 something is missing or denied; 2 invalid arguments;
130 stopped by Ctrl-C, 143 by SIGTERM. Commands may have others: see their --help."""


class _Parser(argparse.ArgumentParser):
    """A parser, and those of subcommands, whose errors repeat arguments that may control a terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def parser() -> argparse.ArgumentParser:
    """Return the parser; each subcommand adds its own options and its ``run`` function."""
    result = _Parser(
        "tailrace",
        description="Test a definition and plan for it; inspect and operate a deployed stack from this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (test, check, plan, dashboard, history, redrive, replay, quarantine):
        command.add_parser(commands)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = parser().parse_args(arguments)
    if sys.stderr is None:  # it is closed
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):  # a terminal that is not UTF-8 cannot show every id
            output.reconfigure(errors=ESCAPES)
    # SIGTERM acts like Ctrl-C, and Ctrl-C works even where a shell made its background jobs ignore it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
    try:
        return _run(options)
    except CommandError as error:
        sys.stderr.write(f"tailrace: {visible(str(error))}\n")
        return error.status
    except KeyboardInterrupt as error:  # as a shell does, so that `tailrace test && make deploy` deploys nothing
        return 128 + (error.args[0] if error.args else signal.SIGINT)
    except BrokenPipeError:  # `tailrace … | head`
        drop_output()
        return 1
    except OSError as error:  # such as a full disk, when a command records its progress
        name = f" {error.filename}" if error.filename else ""
        sys.stderr.write(
            visible(f"tailrace: A file{name} cannot be read or written: {error.strerror or error}.") + "\n"
        )
        return 1


def _run(options: argparse.Namespace) -> int:
    try:
        status: int = options.run(options)
    finally:
        show_progress("")  # or an error is appended to it, and the prompt after Ctrl-C
    return status


if __name__ == "__main__":
    raise SystemExit(main())
