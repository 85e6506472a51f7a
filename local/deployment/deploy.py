"""Build and package the stack with the SAM CLI, once for each version of its sources, and create it on the emulator.

The artifacts are kept next to the build. A later start uploads them and calls CloudFormation, as `sam deploy` would,
but without the SAM CLI's four seconds of processor time.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.deployment.emulator import LOGS, REGION, ROOT
from local.deployment.layers import mount_layers
from local.deployment.processes import SupervisedProcess, clean_environment
from local.errors import DeployFailed, SetupMissing

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
NODE = ROOT / ".tools" / "node" / "bin"
TEMPLATE = ROOT / "template.yaml"
SOURCES = ("template.yaml", "functions", "layers", "locks/sam.txt")
BUILDS = ROOT / ".tailrace" / "builds"
KEPT_BUILDS = 3
BUILD_ATTEMPTS = 3
STACK_NAME = "tailrace"
ARTIFACTS_BUCKET = "tailrace-artifacts"
PACKAGED_TEMPLATE = "template.yaml"
CREATE_SECONDS = 120.0
PYTHON_NAME = "python3.13"
IGNORED_FOLDERS = {"__pycache__", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def host_architecture() -> str:
    """This machine's architecture, under Lambda's name."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build() -> Path:
    """Run `sam build` unless a build of the current sources exists. Returns the folder of the built template.

    A build's name is a digest of its inputs, and the folder appears only when the build is complete: interrupted and
    concurrent builds do no harm. Raises SetupMissing, DeployFailed.
    """
    with build_lock():
        for _ in range(BUILD_ATTEMPTS):
            sources = fingerprint()
            target = BUILDS / sources[:16]
            if target.exists():
                target.touch()
                return target
            partial = BUILDS / "partial"
            _build_into(partial, target)
            if fingerprint() == sources:  # no source was edited during the build
                partial.rename(target)
                _remove_old_builds()
                return target
    raise DeployFailed(f"The sources changed during each of {BUILD_ATTEMPTS} builds: save them and try again.")


def _build_into(partial: Path, target: Path) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    build_as_deployed(partial)
    mount_layers(partial, target, _interpreter_folder() / PYTHON_NAME)


def build_as_deployed(folder: Path) -> None:
    """Run `sam build` into a folder; the result is what a deployment would get. Raises SetupMissing, DeployFailed."""
    environment = _sam_environment()
    environment["PATH"] = f"{_interpreter_folder()}{os.pathsep}{environment['PATH']}"
    arguments: list[str | Path] = [
        "--template-file",
        TEMPLATE,
        "--build-dir",
        folder,
        "--base-dir",
        ROOT,
        "--parameter-overrides",
        *(f"{name}={value}" for name, value in _with_architecture({}).items()),
    ]
    _run_sam("build", arguments, environment)


def _remove_old_builds() -> None:
    """Keep the newest builds: a running stack may still use an older one."""
    builds = sorted(BUILDS.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for build_folder in builds[KEPT_BUILDS:]:
        shutil.rmtree(build_folder, ignore_errors=True)


def deploy(endpoint: str, built: Path, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy the build in the folder `built` to the emulator at `endpoint`. Returns the stack's outputs.

    `parameters` are template parameters; Emulated and Architecture are added. Raises SetupMissing and DeployFailed.
    """
    s3, cloudformation = client("s3", endpoint), client("cloudformation", endpoint)
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    for path in package(s3, endpoint, built).iterdir():
        s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=path.name, Body=path.read_bytes())
    chosen = {**_with_architecture(parameters), "Emulated": "true"}
    try:
        cloudformation.create_stack(
            StackName=STACK_NAME,
            TemplateURL=f"{endpoint}/{ARTIFACTS_BUCKET}/{PACKAGED_TEMPLATE}",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in chosen.items()],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        raise DeployFailed(f"The emulator rejected the stack: {error}") from error
    return _outputs_when_complete(cloudformation)


def package(s3: Any, endpoint: str, built: Path) -> Path:
    """Run `sam package` unless this build is packaged already. Returns a folder with the objects for the bucket.

    File names are object keys: digests for the artifacts, `PACKAGED_TEMPLATE` for the template.
    """
    home, partial = built / "packaged", built / "packaged.partial"
    with build_lock():
        if home.exists():
            return home
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        arguments: list[str | Path] = [
            *("--template-file", built / "template.yaml", "--output-template-file", partial / PACKAGED_TEMPLATE),
            *("--s3-bucket", ARTIFACTS_BUCKET, "--region", REGION, "--no-progressbar"),
        ]
        _run_sam("package", arguments, {**_sam_environment(), "AWS_ENDPOINT_URL": endpoint})
        for artifact in s3.list_objects_v2(Bucket=ARTIFACTS_BUCKET)["Contents"]:
            content = s3.get_object(Bucket=ARTIFACTS_BUCKET, Key=artifact["Key"])["Body"].read()
            (partial / artifact["Key"]).write_bytes(content)
        partial.rename(home)
    return home


def _outputs_when_complete(cloudformation: Any) -> dict[str, str]:
    deadline = time.monotonic() + CREATE_SECONDS
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if stack["StackStatus"] != "CREATE_IN_PROGRESS":
            break
        time.sleep(0.05)
    events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
    reasons = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]
    raise DeployFailed(f"Stack creation failed ({stack['StackStatus']}). {'; '.join(reasons)}")


def client(service: str, endpoint: str) -> Any:
    """A boto3 client for the emulator that ignores the caller's AWS configuration and proxies."""
    untyped: Any = boto3  # its overloads require a literal service name
    return untyped.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's
        config=Config(proxies={}, max_pool_connections=32, parameter_validation=False, retries={"mode": "standard"}),
    )


def _with_architecture(parameters: Mapping[str, str]) -> dict[str, str]:
    return {"Architecture": host_architecture(), **parameters}


def _run_sam(action: str, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    if not SAM.exists():
        raise SetupMissing(f"The SAM CLI is not installed ({SAM} is missing): run `make setup`.")
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"sam-{action}.log"
    with log.open("wb") as output:
        # Run in the log folder, where samconfig.toml, which is for AWS, is not found.
        process = SupervisedProcess([SAM, action, *arguments], env=environment, output=output, cwd=LOGS)
        status = process.wait()
    if status:
        raise DeployFailed(f"`sam {action}` failed with status {status} (see {log}):\n{_last_lines(log)}")


def _sam_environment() -> dict[str, str]:
    return clean_environment(
        PATH=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{NODE}",  # used if there is no other npm
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the emulator's
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        SAM_CLI_TELEMETRY="0",
        SAM_CLI_ENABLE_LANGUAGE_EXTENSIONS="1",  # Fn::ForEach
        SAM_CLI_POLL_DELAY="0.3",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",  # `sam build` may ask STS for the account: fail fast
        AWS_MAX_ATTEMPTS="1",
    )


def _interpreter_folder() -> Path:
    """A folder with the template's Python and pip: `sam build` looks for both on PATH."""
    for folder in (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin"):
        python = folder / PYTHON_NAME
        if python.exists() and _succeeds([python, "-m", "pip", "--version"]):
            return folder
    raise SetupMissing(f"{PYTHON_NAME} with pip not found in {sys.prefix} or {sys.base_prefix}: run `make setup`.")


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def fingerprint() -> str:
    """A digest of all inputs of a build."""
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
def build_lock() -> Iterator[None]:
    """Let one process build at a time. The operating system releases the lock when the process ends for any reason."""
    BUILDS.mkdir(parents=True, exist_ok=True)
    with BUILDS.with_name("build.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last_lines(log: Path, count: int = 25) -> str:
    lines = [line.rstrip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-count:])
