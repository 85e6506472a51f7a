"""The dashboard of the emulated stack: the server that `tailrace dashboard` runs, with the emulator's credentials."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.credentials import Credentials

from cli.dashboard import read_site, running_server
from cli.errors import CommandError
from cli.server import DashboardServer
from cli.upstream import Upstream, http_session
from local.deployment.deploy import STACK_NAME
from local.deployment.emulator import REGION
from local.errors import DashboardFailed

REFRESH_S = 1


@contextmanager
def dashboard(api_url: str, port: int = 0) -> Iterator[DashboardServer]:
    """Serve until the block is left. It needs no key: whoever is on this machine may ask the emulator itself.

    Raises:
        DashboardFailed: the page cannot be made, or the port is taken.
    """
    upstream = Upstream(api_url, REGION, Credentials("test", "test"), http_session())
    try:
        with running_server(read_site(STACK_NAME, REFRESH_S), upstream, port) as server:
            yield server
    except CommandError as error:
        raise DashboardFailed(str(error)) from error
