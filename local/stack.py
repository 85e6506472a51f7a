"""The whole stack on one machine: emulator, deployment, pollers and, optionally, the dashboard.

    with running_stack(progress=print) as stack:
        stack.client("dynamodb").put_item(TableName=stack.outputs["ItemsTable"], Item=...)
        stack.wait_until_settled(30)

However this process ends, the emulator and its workers end with it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from copy import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from local.dashboard import dashboard
from local.deployment import deploy
from local.deployment.build import build
from local.deployment.emulator import NO_FILES, Emulator, EmulatorFiles
from local.deployment.mappings import list_mappings, resources
from local.deployment.template import pipeline_reference, template
from local.endpoint_file import remove_endpoint_file, write_endpoint_file
from local.errors import LocalError
from local.existing_table import TableFile, attach
from local.history import LocalHistory
from local.keep import STATE, Keeper, Kept
from local.options import check_write_behind
from local.pollers.events import virtual_shard_ids
from local.pollers.pollers import Pollers
from local.pollers.source_poller import Statistics
from local.unfinished_files import load_unfinished_files

LOCAL_PARAMETERS = {"ArchiveWindowSeconds": "5"}  # instead of a minute
type ReportProgress = Callable[[str], None]
type Parameters = Mapping[str, str] | Callable[[str], Mapping[str, str]]
"""Template parameters, or a function that makes what they name on the emulator at an endpoint and returns them."""


class Stack(Struct):
    """A running stack. `outputs` are the template's; `resources` maps logical ids to physical ones.

    `parameters` are those of the template that differ from its defaults; `shards` is the number of virtual shards of
    each shard of the stream; `dashboard` is the page's address, if it is served; `keeper` saves the stack, if it is
    kept; `built` is the build that is deployed.
    """

    endpoint: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    pollers: Pollers
    emulator: Emulator
    parameters: Mapping[str, str] = field(default_factory=dict)
    shards: int = 1
    dashboard: str | None = None
    keeper: Keeper | None = None
    built: Path | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Root of the HTTP API, without a trailing slash."""
        return f"{self.endpoint}/_aws/execute-api/{self.resources['HttpApi']}"

    @property
    def log(self) -> Path:
        """The emulator's log, which includes the functions' logs."""
        return self.emulator.log

    @property
    def is_attached(self) -> bool:
        """Whether the items are in an existing table."""
        return bool(self.parameters.get("ItemsTableName"))

    @property
    def writes(self) -> bool:
        """Whether API, intake queue and inbox write items."""
        chosen = self.parameters.get("WriteEntrances", "auto")
        return chosen == "on" or (chosen == "auto" and not self.is_attached)

    @property
    def issuer(self) -> str:
        """The issuer whose tokens the API accepts; empty if it accepts signatures."""
        return self.parameters.get("JwtIssuer", "")

    def client(self, service: str) -> Any:
        """Return this stack's boto3 client for a service; one per service."""
        if service not in self._clients:
            self._clients[service] = deploy.client(service, self.endpoint)
        return self._clients[service]

    def update(self, built: Path) -> None:
        """Deploy another build, between two calls of the pollers. Raises a LocalError; the stack is then as before."""
        template.cache_clear()  # it may have been edited, too
        deploy.prepare(self.endpoint, built)
        with self.pollers.paused():
            try:
                self._deploy(built)
            except LocalError:  # rolled back: the functions have the template's variables alone
                name_shards(self.endpoint, self.outputs, self.shards)
                raise
            try:
                self._follow_mappings()
            except LocalError:
                if self.built is not None:
                    self._deploy(self.built)
                raise
            self.built = built
        if self.dashboard is not None:  # it is announced, and may have more queues now
            with suppress(OSError):  # a full disk: what is deployed stays
                self.announce()

    def _deploy(self, built: Path) -> None:
        self.outputs = deploy.deploy(self.endpoint, built, self.parameters)
        self.resources = resources(self.endpoint)
        name_shards(self.endpoint, self.outputs, self.shards)

    def _follow_mappings(self) -> None:
        """Replace the pollers, which have paused, if the deployment has changed their mappings.

        Raises DeployFailed if Lambda would refuse a mapping; the pollers then stay.
        """
        if list_mappings(self.endpoint) == self.pollers.mappings:
            return
        others = Pollers(self.endpoint, shards=self.shards, positions=self.pollers.positions)
        self.pollers.stop()
        self.pollers = others
        others.start()

    def announce(self) -> None:
        """Write the stack's addresses to the endpoint file."""
        addresses = {"endpoint": self.endpoint, "api_url": self.api_url, "dashboard": self.dashboard}
        write_endpoint_file(addresses, self.outputs)

    def history(self, show: ReportProgress | None = None) -> LocalHistory:
        """Return what rebuilds and verifies this stack's aggregates; `show` is called with each phase of a job."""
        function = self.outputs["HistoryFunction"]
        return LocalHistory(self.client("lambda"), function, self.raise_if_broken, show or (lambda _: None))

    def raise_if_broken(self) -> None:
        """Raise EmulatorFailed if the emulator has exited, or the error that stopped a poller."""
        self.emulator.raise_if_gone()
        self.pollers.raise_if_broken()

    def wait_until_settled(self, timeout_s: float, on_wait: Callable[[list[Statistics]], None] | None = None) -> None:
        """Wait until everything written so far has been delivered to every mapped function.

        `on_wait` is called about ten times a second with the pollers' statistics. Raises SettleTimeout, EmulatorFailed.
        """

        def check(statistics: list[Statistics]) -> None:
            self.raise_if_broken()
            if on_wait is not None:
                on_wait(statistics)

        self.pollers.wait_until_settled(timeout_s, check)


@contextmanager
def running_stack(
    port: int | None = None,
    shards: int = 1,
    progress: ReportProgress | None = None,
    *,
    parameters: Parameters | None = None,
    announce: bool = False,
) -> Iterator[Stack]:
    """Start the emulator, build and deploy the stack, and poll its sources until the block exits.

    `port` fixes the emulator's port; `shards` is the number of virtual shards of the stream; `progress` is called with
    each step; `parameters` are additional template parameters; `announce` also serves the dashboard and writes all
    addresses to `.tailrace/endpoint.json`.
    Raises a LocalError, whose message is one sentence for the user.
    """
    with _running(Kept(port, shards), progress, parameters or {}, announce=announce) as stack:
        yield stack


@contextmanager
def enforcing_stack(decisions: Path, parameters: Parameters | None = None) -> Iterator[Stack]:
    """Run a stack whose functions have the permissions of their roles and no others.

    Each decision about a role is appended to the file `decisions`, as a line of JSON. Raises a LocalError.
    """
    with _running(Kept(None, 1), None, parameters or {}, files=EmulatorFiles(decisions=decisions)) as stack:
        yield stack


@contextmanager
def kept_stack(
    port: int | None = None,
    shards: int | None = None,
    progress: ReportProgress | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
    table: TableFile | None = None,
) -> Iterator[Stack]:
    """Run an announced stack that continues where the one in the file STATE ended, and is saved there in the end.

    Its addresses stay the same, and so does the table that it was attached to. Raises a LocalError.
    """
    kept = Kept.choose(STATE, port, shards, table.name if table else None)
    kept.require_ports(STATE)
    complete = partial(attach, parameters or {}, kept.table, table)
    with _running(kept, progress, complete, announce=True, files=EmulatorFiles(STATE)) as stack:
        if kept.positions:  # it continues
            bucket, function = stack.outputs["ArchiveBucket"], stack.resources["LoadFunction"]
            load_unfinished_files(stack.client("s3"), stack.client("lambda"), bucket, function)
        yield stack


@contextmanager
def _running(
    kept: Kept,
    progress: ReportProgress | None,
    parameters: Parameters,
    *,
    announce: bool = False,
    files: EmulatorFiles = NO_FILES,
) -> Iterator[Stack]:
    report = progress or (lambda _: None)
    chosen = {**LOCAL_PARAMETERS, "Pipeline": pipeline_reference()}
    with _emulator(kept.port, files, report) as emulator:
        report("Building the stack (cached unless its sources have changed)")
        built = build()
        report("Deploying the stack")
        chosen |= parameters(emulator.endpoint) if callable(parameters) else parameters
        check_write_behind(chosen, kept.shards)
        outputs = deploy.deploy(emulator.endpoint, built, chosen)
        name_shards(emulator.endpoint, outputs, kept.shards)
        pollers = Pollers(emulator.endpoint, shards=kept.shards, positions=kept.positions)
        known = resources(emulator.endpoint)
        stack = Stack(emulator.endpoint, outputs, known, pollers, emulator, chosen, kept.shards, built=built)
        try:
            report("Starting the functions")
            pollers.warm_up([known["LoadFunction"], known["CatalogFunction"]])
            pollers.start()
            with _announced(stack, kept) if announce else nullcontext(), _kept(stack, kept, report, files.state):
                yield stack
        finally:
            stack.pollers.stop()  # those of another configuration, if they were replaced


def name_shards(endpoint: str, outputs: Mapping[str, str], shards: int) -> None:
    """Tell the history function the virtual shards, which the emulator's description of the stream does not list."""
    if shards == 1:
        return
    client, function = deploy.client("lambda", endpoint), outputs["HistoryFunction"]
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    streams = deploy.client("dynamodbstreams", endpoint)
    listed = streams.describe_stream(StreamArn=outputs["ItemsTableStream"])["StreamDescription"]["Shards"]
    names = [name for shard in listed for name in virtual_shard_ids(shard["ShardId"], shards)]
    client.update_function_configuration(
        FunctionName=function, Environment={"Variables": {**variables, "VIRTUAL_SHARDS": ",".join(names)}}
    )


@contextmanager
def _emulator(port: int | None, files: EmulatorFiles, report: ReportProgress) -> Iterator[Emulator]:
    report("Starting the emulator")
    emulator = Emulator.start(port, files=files)
    try:
        with emulator.reporting():
            yield emulator
    finally:
        emulator.stop()


@contextmanager
def _kept(stack: Stack, kept: Kept, report: ReportProgress, state: Path | None) -> Iterator[None]:
    """Save the stack before and after the block, if it is kept; even when the block raises."""
    if state is None:
        yield
        return
    stack.keeper = Keeper(replace(kept, dashboard_port=urlsplit(stack.dashboard or "").port or 0), stack)
    stack.keeper.save()
    try:
        yield
    finally:
        if stack.emulator.alive():
            report("Saving the stack")
            stack.keeper.settle_and_save()


@contextmanager
def _announced(stack: Stack, kept: Kept) -> Iterator[None]:
    """Serve the dashboard and write the endpoint file. A stale file is harmless: readers check its pid."""
    with dashboard(stack.api_url, kept.dashboard_port or kept.free_port_beside()) as server:
        stack.dashboard = server.address
        stack.announce()
        try:
            yield
        finally:
            remove_endpoint_file()
