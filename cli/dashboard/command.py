"""``tailrace dashboard``: a deployed stack's page on loopback, which calls its API with the user's credentials."""

import argparse
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from botocore.utils import get_environ_proxies

from cli import stacks
from cli.console import say
from cli.dashboard.browser import open_browser
from cli.dashboard.server import HOST, DashboardServer
from cli.dashboard.upstream import Upstream, http_session
from cli.errors import CommandError, UsageError
from cli.options import add_stack_options
from tailrace.http.static_site import INDEX_PAGE, Site

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".tools" / "dashboard" / "site"
REFERENCE = "reference.html"
REFRESH_S = 5
_MAX_PORT = 65_535
_POLL_S = 0.1

_HELP = """\
Serve the dashboard of a deployed stack on 127.0.0.1. This command forwards
the page's requests to the stack's API, signed with your AWS credentials.
It needs cloudformation:DescribeStacks and execute-api:Invoke, and never
writes anything.

exit status: 0 stopped by Ctrl-C or SIGTERM; 1 the stack cannot be found or
does not accept signatures; 2 invalid arguments, or the port is in use."""


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "dashboard",
        help="show a stack's aggregates in the browser",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_stack_options(parser)
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port to serve on (default: a free one)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        CommandError: the stack cannot be found or does not accept signatures, or the port is in use.
    """
    stack = stacks.find_stack(options.stack, options.region, options.profile)
    upstream = find_upstream(stack)
    site = read_site(stack.name, REFRESH_S)
    # The key keeps out other users of this machine, who can also reach loopback.
    key = secrets.token_urlsafe(24)
    with running_server(site, upstream, options.port, key=key) as server, suppress(KeyboardInterrupt):
        say(f"The dashboard of {stack.name} ({stack.region}) is at {server.address}")
        say("Press Ctrl-C to stop.")
        if not options.no_open:
            open_browser(server.address_for_browser())
        while True:
            time.sleep(_POLL_S)
    return 0


def find_upstream(stack: stacks.DeployedStack) -> Upstream:
    """Return the stack's API.

    Raises:
        CommandError: the stack has no API, or one that does not accept signatures.
    """
    issuer = stack.parameters.get("JwtIssuer", "")
    if issuer:
        page = stack.outputs.get("DashboardUrl")
        suggestion = f"open {page}" if page else "deploy it with DashboardClientId to host the dashboard itself"
        raise CommandError(f"The stack {stack.name!r} accepts tokens of {issuer} instead of signatures: {suggestion}.")
    url = stack.output("ApiUrl")
    session = http_session(get_environ_proxies(url), stack.session.get_config_variable("ca_bundle") or True)
    return Upstream(url.rstrip("/"), stack.region, stack.credentials, session)


def read_site(title: str, refresh_s: int) -> Site:
    """Rebuild the site's folder if its sources have changed, and read it.

    Raises:
        CommandError: the site cannot be built.
    """
    command = [sys.executable, str(ROOT / "local" / "environments" / "setup.py"), "dashboard"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if result.returncode or not (SITE / INDEX_PAGE).exists():
        raise CommandError(f"The dashboard could not be built: {result.stderr.strip().removeprefix('setup: ')}")
    config = {"api": "./api", "refresh_s": refresh_s, "title": title, "auth": None, "reference": f"./{REFERENCE}"}
    return Site(SITE, config)


@contextmanager
def running_server(
    site: Site, upstream: Upstream, port: int = 0, *, key: str | None = None
) -> Iterator[DashboardServer]:
    """Serve in a thread until the block exits, which frees the port.

    Raises:
        CommandError: the port is in use or not permitted.
    """
    try:
        server = DashboardServer(site, upstream, port, key)
    except OSError as error:
        text = f"Cannot listen on {HOST}:{port}: {error.strerror}. Choose another port with --port."
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


def _port(text: str) -> int:
    # length first: int() refuses texts of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_MAX_PORT)) or not 0 < int(text) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port must be a whole number from 1 to {_MAX_PORT}, not {text[:20]!r}")
    return int(text)
