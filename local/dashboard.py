"""The dashboard of the emulated stack: the same server as `tailrace dashboard`, with the emulator's credentials."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.credentials import Credentials

from cli.dashboard.command import read_site, running_server
from cli.dashboard.server import DashboardServer
from cli.dashboard.upstream import Upstream, http_session
from cli.errors import CommandError
from local.deployment.emulator import REGION, STACK_NAME
from local.errors import DashboardFailed

REFRESH_S = 1


@contextmanager
def dashboard(api_url: str, port: int = 0) -> Iterator[DashboardServer]:
    """Serve until the block exits. No key: every user of this machine can call the emulator directly anyway.

    Raises:
        DashboardFailed: the site cannot be built, or the port is in use.
    """
    upstream = Upstream(api_url, REGION, Credentials("test", "test"), http_session())
    try:
        with running_server(read_site(STACK_NAME, REFRESH_S), upstream, port) as server:
            yield server
    except CommandError as error:
        raise DashboardFailed(str(error)) from error
