"""``tailrace dashboard``: the page of a deployed stack on loopback, which asks its API with the user's credentials."""

import argparse
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from botocore.utils import get_environ_proxies

from cli import stacks
from cli.browser import open_browser
from cli.errors import CommandError, UsageError
from cli.server import HOST, DashboardServer
from cli.upstream import Upstream, http_session
from tailrace.http.static_site import INDEX_PAGE, Site

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / ".tools" / "dashboard" / "site"
REFERENCE = "reference.html"
REFRESH_S = 5
_STACK_NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9-]{0,127}"
)  # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
_MAX_PORT = 65_535
_POLL_S = 0.1

_HELP = """\
Serve the dashboard of a deployed stack on 127.0.0.1. Its page asks this
command, and this command asks the stack's API, signed with your own AWS
credentials: cloudformation:DescribeStacks finds the stack, and
execute-api:Invoke asks it. Nothing is ever written."""


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "dashboard",
        help="look at a stack's aggregates in the browser",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", required=True, metavar="NAME", type=_stack_name, help="name of the stack")
    parser.add_argument("--region", help="its region (default: as the AWS CLI has it)")
    parser.add_argument("--profile", help="profile of your AWS configuration (default: as the AWS CLI has it)")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port to serve on (default: a free one)")
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        CommandError: the stack cannot be found or takes no signatures, or the port is taken.
    """
    stack = stacks.find_stack(options.stack, options.region, options.profile)
    upstream = find_upstream(stack)
    site = read_site(stack.name, REFRESH_S)
    # The key keeps out whoever else has an account on this machine: they reach loopback, too.
    with running_server(site, upstream, options.port, key=secrets.token_urlsafe(24)) as server:
        _print(f"The dashboard of {stack.name} ({stack.region}) is at {server.address}")
        _print("Ctrl-C ends it.")
        if not options.no_open:
            open_browser(server.address)
        while True:
            time.sleep(_POLL_S)


def find_upstream(stack: stacks.DeployedStack) -> Upstream:
    """Return the stack's API.

    Raises:
        CommandError: it has none, or one that takes no signatures.
    """
    issuer = stack.parameters.get("JwtIssuer", "")
    if issuer:
        page = stack.outputs.get("DashboardUrl")
        suggestion = f"open {page}" if page else "deploy it with DashboardClientId, and it has a page of its own"
        raise CommandError(f"The stack {stack.name!r} takes tokens of {issuer}, and no signatures: {suggestion}.")
    url = stack.outputs.get("ApiUrl")
    if url is None:
        text = f"The stack {stack.name!r} has no output ApiUrl: it is no stack of Tailrace's, or not deployed yet."
        raise CommandError(text)
    session = http_session(get_environ_proxies(url), stack.session.get_config_variable("ca_bundle") or True)
    return Upstream(url.rstrip("/"), stack.region, stack.credentials, session)


def read_site(title: str, refresh_s: int) -> Site:
    """Make the site's folder anew if its sources have changed, and read it.

    Raises:
        CommandError: it cannot be made.
    """
    command = [sys.executable, str(ROOT / "local" / "environments" / "setup.py"), "dashboard"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if result.returncode or not (SITE / INDEX_PAGE).exists():
        raise CommandError(f"The page could not be made: {result.stderr.strip().removeprefix('setup: ')}")
    config = {"api": "./api", "refresh_s": refresh_s, "title": title, "auth": None, "reference": f"./{REFERENCE}"}
    return Site(SITE, config)


@contextmanager
def running_server(
    site: Site, upstream: Upstream, port: int = 0, *, key: str | None = None
) -> Iterator[DashboardServer]:
    """Serve in a thread until the block is left; the port is free then.

    Raises:
        CommandError: the port is taken, or may not be.
    """
    try:
        server = DashboardServer(site, upstream, port, key)
    except OSError as error:
        text = f"Port {port} of {HOST} cannot be served on: {error.strerror}. Choose another by --port."
        raise UsageError(text) from error
    thread = Thread(target=server.serve_forever, args=(_POLL_S,), name="dashboard", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        upstream.close()


def _stack_name(text: str) -> str:
    if not _STACK_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"a stack's name has letters, digits and hyphens, and {text!r} has not")
    return text


def _port(text: str) -> int:
    # the length first: int() takes no text of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_MAX_PORT)) or not 0 < int(text) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port is a whole number from 1 to {_MAX_PORT}, and {text[:20]!r} is none")
    return int(text)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
