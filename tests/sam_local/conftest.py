"""One emulated stack for all tests here, and the real `sam local invoke` against it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack, running_stack
from tests.sam_build import HOST_ARCHITECTURE, ROOT, sam, sam_build, sam_environment, skip_or_fail

EVENTS = ROOT / "events"
IMAGE = "public.ecr.aws/lambda/python:3.13"
HOST = "host.docker.internal"
ADD_HOST = f"{HOST}:host-gateway"
SAMPLE_ENDPOINT = f"http://{HOST}:4566"
INVOKE_SECONDS = 300

type Invoke = Callable[[str], Any]


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def docker() -> None:
    """Skip where there is no Docker."""
    try:
        told = _docker("info", "--format", "{{.ServerVersion}}")
    except FileNotFoundError:
        skip_or_fail("there is no Docker: `docker` is not on PATH")
    if told.returncode:
        skip_or_fail(f"there is no Docker: {told.stderr.strip() or 'its daemon does not answer'}")


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def environment_file(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """events/env.json as it is, but for the port: the tests' stack takes a free one."""
    text = (EVENTS / "env.json").read_text()
    assert SAMPLE_ENDPOINT in text
    path = tmp_path_factory.mktemp("env") / "env.json"
    path.write_text(text.replace(SAMPLE_ENDPOINT, f"http://{HOST}:{stack.endpoint.rsplit(':', 1)[1]}"))
    return path


@pytest.fixture(scope="session")
def built_template(docker: None) -> Path:
    """What plain `sam build` makes for this machine."""
    return sam_build(HOST_ARCHITECTURE) / "template.yaml"


@pytest.fixture(scope="session")
def invoke(built_template: Path, environment_file: Path) -> Invoke:
    """Run a sample event through `sam local invoke`, as the README shows it, and return the function's answer."""

    def run(sample: str) -> Any:
        function = f"{sample.partition('-')[0].capitalize()}Function"
        command = [sam(), "local", "invoke", function, "--template", str(built_template)]
        command += ["--event", str(EVENTS / f"{sample}.json"), "--env-vars", str(environment_file)]
        command += ["--add-host", ADD_HOST, "--parameter-overrides", f"Architecture={HOST_ARCHITECTURE}"]
        told = subprocess.run(
            command,
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
