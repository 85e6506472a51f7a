"""Build the stack with the real SAM CLI, once for each state of its sources, and deploy it on the emulator."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.emulator import LOGS, REGION, ROOT
from local.errors import DeployFailed, SetupMissing
from local.mounting import mount_layers
from local.processes import Leashed, clean_environment

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
TEMPLATE = ROOT / "template.yaml"
SOURCES = ("template.yaml", "functions", "layers")
BUILD = ROOT / ".tailrace" / "build"
BUILT_TEMPLATE = BUILD / "template.yaml"
LAYERS = ROOT / ".tailrace" / "layers"
MARKER = ROOT / ".tailrace" / "built-from"
STACK_NAME = "tailrace"
ARTIFACTS = "tailrace-artifacts"
PYTHON_NAME = "python3.13"
IGNORED_FOLDERS = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def host_architecture() -> str:
    """This machine's architecture as Lambda names it."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build() -> bool:
    """Run `sam build` if the sources have changed since the last time. Returns whether it ran.

    Raises SetupMissing and DeployFailed. Two builds at the same time wait for each other.
    """
    MARKER.parent.mkdir(exist_ok=True)
    with _locked(MARKER.with_name("build.lock")):
        sources = _fingerprint()
        if MARKER.exists() and MARKER.read_text() == sources and BUILT_TEMPLATE.exists():
            return False
        MARKER.unlink(missing_ok=True)  # so that a build that was cut off does not count
        interpreter = _interpreter_folder()
        environment = _sam_environment()
        environment["PATH"] = f"{interpreter}{os.pathsep}{environment['PATH']}"
        _sam(
            "build",
            ["--template-file", TEMPLATE, "--build-dir", BUILD, "--base-dir", ROOT, *_parameters({})],
            environment,
        )
        mount_layers(BUILD, LAYERS / sources[:16], interpreter / PYTHON_NAME)
        MARKER.write_text(sources)
        return True


def deploy(endpoint: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy what `build` has built on the emulator at `endpoint`. Returns the stack's outputs.

    `parameters` are the template's, beside Emulated and Architecture. Raises SetupMissing and DeployFailed.
    """
    client("s3", endpoint).create_bucket(Bucket=ARTIFACTS)
    _sam(
        "deploy",
        [
            *("--template-file", BUILT_TEMPLATE, "--stack-name", STACK_NAME, "--region", REGION),
            *("--s3-bucket", ARTIFACTS, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"),
            *("--no-confirm-changeset", "--no-progressbar", "--no-fail-on-empty-changeset"),
            *_parameters({**parameters, "Emulated": "true"}),
        ],
        {**_sam_environment(), "AWS_ENDPOINT_URL": endpoint},
    )
    stack = client("cloudformation", endpoint).describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def client(service: str, endpoint: str) -> Any:  # noqa: ANN401 - boto3's clients have no static types
    """A boto3 client for the emulator, whatever the caller's own configuration and proxies are."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's
        config=Config(proxies={}, max_pool_connections=32, parameter_validation=False, retries={"mode": "standard"}),
    )


def _parameters(parameters: Mapping[str, str]) -> list[str]:
    chosen = {"Architecture": host_architecture(), **parameters}
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in chosen.items())]


def _sam(action: str, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    if not SAM.exists():
        raise SetupMissing(f"The SAM CLI is not installed ({SAM} is missing): run `make setup`.")
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"sam-{action}.log"
    with log.open("wb") as output:
        # In the folder of logs, so that samconfig.toml, which is for AWS, is not found.
        process = Leashed([SAM, action, *arguments], env=environment, output=output, cwd=LOGS)
        status = process.wait()
    if status:
        raise DeployFailed(f"`sam {action}` failed with status {status}. It said:\n{_last_lines(log)}")


def _sam_environment() -> dict[str, str]:
    return clean_environment(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the emulator's
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        SAM_CLI_TELEMETRY="0",
        SAM_CLI_POLL_DELAY="0.3",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",  # `sam build` may ask STS for the account: it is to fail at once
        AWS_MAX_ATTEMPTS="1",
    )


def _interpreter_folder() -> Path:
    """A folder with the template's Python that has pip: `sam build` looks for both on PATH."""
    for folder in (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin"):
        python = folder / PYTHON_NAME
        if python.exists() and _succeeds([python, "-m", "pip", "--version"]):
            return folder
    raise SetupMissing(f"There is no {PYTHON_NAME} with pip in {sys.prefix} or {sys.base_prefix}: run `make setup`.")


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _fingerprint() -> str:
    """A digest of everything that a build depends on."""
    digest = hashlib.sha256()
    for name in (host_architecture(), sys.version, str(SAM), *_source_files()):
        digest.update(name.encode() + b"\0")
        path = ROOT / name
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files() -> Iterator[str]:
    for source in SOURCES:
        path = ROOT / source
        if path.is_file():
            yield source
            continue
        for folder, subfolders, files in os.walk(path):
            subfolders[:] = sorted(set(subfolders) - IGNORED_FOLDERS)
            for file in sorted(files):
                yield str((Path(folder) / file).relative_to(ROOT))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the operating system lets go of when this process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last_lines(log: Path, count: int = 25) -> str:
    lines = [line.rstrip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-count:])
