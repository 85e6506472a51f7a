"""Options that several commands share."""

import argparse
import re
from datetime import UTC, datetime

from cli.stacks import DeployedStack, find_stack
from tailrace.encoding.times import TimeFormatError, check_leap_second, read_time

_STACK_NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9-]{0,127}"
)  # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?/?")
_MAX_PORT = 65_535
_MAX_DIGITS = 9
_RATE = re.compile(r"([0-9]{1,10}|[0-9]{1,3}(,[0-9]{3}){1,3})(\.[0-9]{1,9})?([eE][0-9])?")
_MAX_RATE = 10**9


def add_stack_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a stack."""
    parser.add_argument("--stack", required=True, metavar="NAME", type=parse_stack_name, help="name of the stack")
    parser.add_argument("--region", help="region of the stack (default: the AWS CLI's)")
    parser.add_argument("--profile", help="AWS profile (default: the AWS CLI's)")


def add_endpoint_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names an emulated stack."""
    parser.add_argument(
        "--endpoint-url", type=_endpoint, metavar="URL", help="address of an emulated stack (make stack)"
    )


def add_sending_options(parser: argparse.ArgumentParser, counted: str = "") -> None:
    """Add the options of commands that send something again; ``counted`` says what a limit counts."""
    add_endpoint_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, without doing it")
    parser.add_argument("--limit", type=parse_count, metavar="N", help=f"stop after N{counted}")
    parser.add_argument("--rate", type=parse_rate, metavar="N", help="at most this many per second")


def stack_of(options: argparse.Namespace) -> DeployedStack:
    """Find the stack that the options name.

    Raises:
        CommandError: it cannot be found.
    """
    return find_stack(options.stack, options.region, options.profile, options.endpoint_url)


def parse_count(text: str) -> int:
    """Parse a positive whole number."""
    # length first: int() refuses texts of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS or not int(text):
        raise argparse.ArgumentTypeError(
            f"expected a positive whole number, at most {10**_MAX_DIGITS - 1:,}, not {text[:20]!r}"
        )
    return int(text)


def parse_rate(text: str) -> float:
    """Parse a positive number, such as 0.5, 1,000 or 1e6."""
    if not _RATE.fullmatch(text) or not 0 < float(text.replace(",", "")) <= _MAX_RATE:
        raise argparse.ArgumentTypeError(f"expected a positive number, at most {_MAX_RATE:,}, not {text[:20]!r}")
    return float(text.replace(",", ""))


def parse_moment(text: str) -> datetime:
    """Parse a date or a date and time, in UTC unless it has an offset."""
    try:
        moment = read_time(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        check_leap_second(text, moment)
    except (TimeFormatError, OverflowError) as error:
        problem = f"expected a date or time such as 2026-11-25 or 2026-11-25T10:00Z, not {text[:40]!r}"
        reason = "it is outside the years 1 to 9999" if isinstance(error, OverflowError) else str(error)
        is_rule = isinstance(error, OverflowError) or ": " in reason
        raise argparse.ArgumentTypeError(f"{problem} ({reason})" if is_rule else problem) from None
    return moment


def _endpoint(text: str) -> str:
    found = _ENDPOINT.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 80) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"expected an address such as http://127.0.0.1:4566, not {text[:60]!r}")
    return text


def parse_table_name(text: str) -> str:
    """Parse the name of a DynamoDB table, as the template's parameter ItemsTableName takes it."""
    if not _TABLE_NAME.fullmatch(text):
        rule = "pass its name, not its ARN: 3 to 255 letters, digits, '_', '.' and '-'"
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not the name of a table; {rule}")
    return text


def parse_stack_name(text: str) -> str:
    """Parse the name of a stack."""
    if not _STACK_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"a stack name has up to 128 letters, digits and hyphens, not {text!r}")
    return text
