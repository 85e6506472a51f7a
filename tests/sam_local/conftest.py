"""One emulated stack for all tests here, and the real SAM CLI's local functions against it."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.deployment.processes import SupervisedProcess
from local.stack import Stack, running_stack
from tests.conftest import free_port
from tests.sam_build import HOST_ARCHITECTURE, ROOT, sam, sam_build, sam_environment, skip_or_fail

EVENTS = ROOT / "events"
IMAGE = "public.ecr.aws/lambda/python:3.13"
HOST = "host.docker.internal"
ADD_HOST = f"{HOST}:host-gateway"
SAMPLE_ENDPOINT = f"http://{HOST}:4566"
INVOKE_SECONDS = 300
START_SECONDS = 240

type Invoke = Callable[[str], Any]


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="package")
def docker() -> None:
    """Skip where there is no Docker."""
    try:
        told = _docker("info", "--format", "{{.ServerVersion}}")
    except FileNotFoundError:
        skip_or_fail("there is no Docker: `docker` is not on PATH")
    if told.returncode:
        skip_or_fail(f"there is no Docker: {told.stderr.strip() or 'its daemon does not answer'}")


@pytest.fixture(scope="package")
def stack(docker: None) -> Iterator[Stack]:
    """The emulated stack, with its pollers: what a function sends on goes its way."""
    with running_stack() as running:
        _check_route(running.endpoint)
        yield running


def _check_route(endpoint: str) -> None:
    """See whether a container reaches the emulator, which listens on the host's loopback only (README: sam local)."""
    url = endpoint.replace("127.0.0.1", HOST) + "/_ministack/health"
    look = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=5)"
    told = _docker("run", "--rm", "--add-host", ADD_HOST, "--entrypoint", "python3", IMAGE, "-c", look)
    if told.returncode:
        skip_or_fail(f"a container does not reach the emulator at {url}: {told.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="package")
def environment_file(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """events/env.json as it is, but for the port: the tests' stack takes a free one."""
    text = (EVENTS / "env.json").read_text()
    assert SAMPLE_ENDPOINT in text
    path = tmp_path_factory.mktemp("env") / "env.json"
    path.write_text(text.replace(SAMPLE_ENDPOINT, f"http://{HOST}:{stack.endpoint.rsplit(':', 1)[1]}"))
    return path


@pytest.fixture(scope="package")
def built_template(docker: None) -> Path:
    """What plain `sam build` makes for this machine."""
    return sam_build(HOST_ARCHITECTURE) / "template.yaml"


def _command(subcommand: str, template: Path, environment_file: Path) -> list[str]:
    overrides = ["--parameter-overrides", f"Architecture={HOST_ARCHITECTURE}"]  # another option must follow
    options = [*overrides, "--template", str(template), "--env-vars", str(environment_file), "--add-host", ADD_HOST]
    return [sam(), "local", subcommand, *options]


@pytest.fixture(scope="package")
def invoke_cold(built_template: Path, environment_file: Path) -> Invoke:
    """Run a sample event through `sam local invoke`, as the README shows it, and return the function's answer."""

    def run(sample: str) -> Any:
        command = _command("invoke", built_template, environment_file)
        told = subprocess.run(
            [*command, function_of(sample), "--event", str(EVENTS / f"{sample}.json")],
            cwd=ROOT,
            env=sam_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=INVOKE_SECONDS,
        )
        assert told.returncode == 0, told.stderr
        answer = json.loads(told.stdout.strip().splitlines()[-1])
        # sam exits with 0 when the handler raises, too
        assert not isinstance(answer, dict) or "errorType" not in answer, f"{answer}\n{told.stderr}"
        return answer

    return run


@pytest.fixture(scope="package")
def invoke_warm(
    built_template: Path, environment_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Invoke]:
    """Send a sample event to `sam local start-lambda`, which keeps each function's container."""
    port, log = free_port(), tmp_path_factory.mktemp("start-lambda") / "log"
    command = [*_command("start-lambda", built_template, environment_file), "--warm-containers", "LAZY"]
    config = Config(read_timeout=INVOKE_SECONDS, retries={"total_max_attempts": 1})
    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )
    with log.open("wb") as output:
        process = SupervisedProcess([*command, "--port", str(port)], env=sam_environment(), output=output, cwd=ROOT)
    try:
        _wait_for_port(port, process, log)

        def run(sample: str) -> Any:
            told = client.invoke(FunctionName=function_of(sample), Payload=(EVENTS / f"{sample}.json").read_bytes())
            answer = json.loads(told["Payload"].read())
            assert "FunctionError" not in told, f"{answer}\n{log.read_text()[-3000:]}"
            assert not isinstance(answer, dict) or "errorType" not in answer, f"{answer}\n{log.read_text()[-3000:]}"
            return answer

        yield run
    finally:
        process.stop()


def _wait_for_port(port: int, process: SupervisedProcess, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    pytest.fail(f"`sam local start-lambda` does not answer: {log.read_text()[-3000:]}")


def function_of(sample: str) -> str:
    """Return the logical id of the function that a sample event is for."""
    return f"{sample.partition('-')[0].capitalize()}Function"


@pytest.fixture(scope="package")
def invoke(invoke_cold: Invoke, request: pytest.FixtureRequest) -> Invoke:
    """Run a sample event in Docker: each function's first one as the README shows it, the others in a warm container.

    `sam local invoke` builds an image of the layer each time, which takes longer than everything else here.
    """
    begun: set[str] = set()

    def run(sample: str) -> Any:
        function = function_of(sample)
        if function not in begun:
            begun.add(function)
            return invoke_cold(sample)
        warm: Invoke = request.getfixturevalue("invoke_warm")
        return warm(sample)

    return run
