"""Build and package the stack with the SAM CLI, once for each version of its sources.

The packaged artifacts are kept next to the build, so that a later start only uploads them.
"""

import atexit
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from local.deployment.derived_build import (
    NOTES,
    PACKAGED,
    PACKAGED_TEMPLATE,
    base_of,
    definition_files,
    derive_build,
    find_base,
    source_files,
    write_notes,
)
from local.deployment.emulator import LOGS, REGION, ROOT
from local.deployment.layers import mount_layers
from local.deployment.processes import SupervisedProcess, clean_environment, is_locked
from local.errors import DeployFailed, SetupMissing, explain

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
NODE = ROOT / ".tools" / "node" / "bin"
TEMPLATE = ROOT / "template.yaml"
SOURCES = ("template.yaml", "functions", "layers", "locks/sam.txt")
BUILDS = ROOT / ".tailrace" / "builds"
KEPT_BUILDS = 6
BUILD_ATTEMPTS = 3
ARTIFACTS_BUCKET = "tailrace-artifacts"
PYTHON_NAME = "python3.13"


def host_architecture() -> str:
    """This machine's architecture, under Lambda's name."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build() -> Path:
    """Run `sam build` unless a build of the current sources exists. Returns the folder of the built template.

    A build that differs from an earlier one only in the definition is derived from it.
    A build's name is a digest of its inputs, and the folder appears only when the build is complete: interrupted and
    concurrent builds do no harm. It stays as long as this process runs, or until `hold_only` names another one.
    Raises SetupMissing, DeployFailed.
    """
    with build_lock():
        for _ in range(BUILD_ATTEMPTS):
            target = present_build()
            if target.exists() and ((base := base_of(target)) is None or base.exists()):
                target.touch()
                _hold(target)
                return target
            shutil.rmtree(target, ignore_errors=True)
            partial, engine = BUILDS / "partial", engine_fingerprint()
            base = find_base(BUILDS, engine)
            if base is None:
                _build_into(partial, target)
            else:
                derive_build(base, partial, target)
            write_notes(partial, engine, base)
            if present_build() == target:  # no source was edited during the build
                partial.rename(target)
                _hold(target)
                _remove_old_builds()
                return target
    raise DeployFailed(f"The sources changed during each of {BUILD_ATTEMPTS} builds: save them and try again.")


def present_build() -> Path:
    """Return the folder that the build of the present sources has, or would have."""
    return BUILDS / fingerprint()[:16]


def _build_into(partial: Path, target: Path) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    build_as_deployed(partial)
    mount_layers(partial, target, interpreter_folder() / PYTHON_NAME)


def build_as_deployed(folder: Path) -> None:
    """Run `sam build` into a folder; the result is what a deployment would get. Raises SetupMissing, DeployFailed."""
    environment = _sam_environment()
    environment["PATH"] = f"{interpreter_folder()}{os.pathsep}{environment['PATH']}"
    arguments: list[str | Path] = [
        "--template-file",
        TEMPLATE,
        "--build-dir",
        folder,
        "--base-dir",
        ROOT,
        "--parameter-overrides",
        *(f"{name}={value}" for name, value in with_architecture({}).items()),
    ]
    _run_sam("build", arguments, environment)


_held: dict[Path, IO[bytes]] = {}
"""A file of each build that this process uses, with a shared lock."""


def _hold(built: Path) -> None:
    """Keep a build: functions that start import what is in its folder."""
    if built not in _held:
        file = (built / NOTES).open("rb")
        fcntl.flock(file, fcntl.LOCK_SH)
        _held[built] = file


@atexit.register
def _release_all() -> None:
    for file in _held.values():  # the end of the process would do it, with a warning
        file.close()


def hold_only(built: Path) -> None:
    """Let the other builds that this process has made be removed: they are no longer deployed."""
    for other in _held.keys() - {built}:
        _held.pop(other).close()


def _remove_old_builds() -> None:
    """Keep the newest builds, those that running stacks use, and those that they are derived from."""
    builds = sorted((path for path in BUILDS.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    kept = {*builds[-KEPT_BUILDS:], *(path for path in builds if is_locked(path / NOTES))}
    kept |= {base for build in kept if (base := base_of(build))}
    for build_folder in set(builds) - kept:
        shutil.rmtree(build_folder, ignore_errors=True)


def package(s3: Any, endpoint: str, built: Path) -> Path:
    """Run `sam package` unless this build is packaged already. Returns a folder with the objects for the bucket.

    File names are object keys: digests for the artifacts, `PACKAGED_TEMPLATE` for the template.
    """
    home, partial = built / PACKAGED, built / "packaged.partial"
    with build_lock():
        if home.exists():
            return home
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        arguments: list[str | Path] = [
            *("--template-file", built / "template.yaml", "--output-template-file", partial / PACKAGED_TEMPLATE),
            *("--s3-bucket", ARTIFACTS_BUCKET, "--region", REGION, "--no-progressbar"),
            "--use-json",  # which is YAML, too; the emulator parses other YAML in a fifth of a deployment's time
        ]
        _run_sam("package", arguments, {**_sam_environment(), "AWS_ENDPOINT_URL": endpoint})
        template = (partial / PACKAGED_TEMPLATE).read_text(encoding="utf-8")
        for name in artifact_keys(s3):
            if name in template and name != PACKAGED_TEMPLATE:
                (partial / name).write_bytes(s3.get_object(Bucket=ARTIFACTS_BUCKET, Key=name)["Body"].read())
        partial.rename(home)
    return home


def artifact_keys(s3: Any) -> list[str]:
    """The keys of all uploaded artifacts: a kept stack has another one for each definition that was saved."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=ARTIFACTS_BUCKET)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def with_architecture(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return template parameters with this machine's architecture."""
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
        failed = DeployFailed(f"`sam {action}` failed with status {status} (see {log}):\n{_last_lines(log)}")
        explain(failed, log, BUILDS)
        raise failed


def _sam_environment() -> dict[str, str]:
    return clean_environment(
        PATH=f"{NODE}{os.pathsep}{os.environ.get('PATH', os.defpath)}",  # has npm if PATH has no usable one
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
        LC_ALL="C.UTF-8",  # sam decodes the output of `make` as UTF-8
    )


def interpreter_folder() -> Path:
    """A folder with the template's Python and pip: `sam build` looks for both on PATH."""
    homes = ROOT / ".venv", Path(sys.prefix), Path(sys.base_prefix)  # a distribution's own Python may have no pip
    for folder in (home / "bin" for home in homes):
        python = folder / PYTHON_NAME
        if python.exists() and _succeeds([python, "-m", "pip", "--version"]):
            return folder
    raise SetupMissing(
        f"{PYTHON_NAME} with pip not found in {ROOT / '.venv'}, {sys.prefix} or {sys.base_prefix}: run `make setup`."
    )


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def fingerprint() -> str:
    """A digest of all inputs of a build."""
    return hashlib.sha256(f"{engine_fingerprint()} {digest_of(definition_files())}".encode()).hexdigest()


def engine_fingerprint() -> str:
    """A digest of all inputs except the definition."""
    definition = set(definition_files())
    files = (file for source in SOURCES for file in source_files(ROOT / source))
    parts = (
        host_architecture(),
        sys.version,
        str(SAM.resolve()),
        str(ROOT),  # builds contain their own paths
        digest_of(file for file in files if file not in definition),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def digest_of(files: Iterable[Path]) -> str:
    """A digest of files of this repository, with their names."""
    digest = hashlib.sha256()
    for path in files:
        with suppress(FileNotFoundError):  # an editor is replacing it
            content = path.read_bytes()
            digest.update(os.fsencode(path.relative_to(ROOT)) + b"\0")
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


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
