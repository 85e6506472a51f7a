"""The real `sam build`, for the tests that look at what it makes or run it."""

import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from local.deployment.build import build_lock, fingerprint, interpreter_folder

ROOT = Path(__file__).resolve().parents[1]
BUILDS = ROOT / ".tailrace" / "unmounted-builds"
HOST_ARCHITECTURE = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def skip_or_fail(reason: str) -> NoReturn:
    """Skip, but never where it is CI's task to run the test."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def sam() -> str:
    """Return the SAM CLI of the repository's own tools, or the one on PATH."""
    own = ROOT / ".tools" / "sam" / "bin" / "sam"
    found = str(own) if own.exists() else shutil.which("sam")
    return found or skip_or_fail("there is no SAM CLI: run `make setup`")


def sam_environment() -> dict[str, str]:
    """Return an environment in which sam finds the template's Python and no account."""
    environment = os.environ | {
        "PATH": f"{interpreter_folder()}{os.pathsep}{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        # sam asks STS for the account, which it does not need here: let it fail at once
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "SAM_CLI_TELEMETRY": "0",
        # for templates outside the repository: samconfig.toml is looked for beside the template
        "SAM_CLI_ENABLE_LANGUAGE_EXTENSIONS": "1",
    }
    return {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL"}


def _without_tools() -> dict[str, str]:
    """Return the environment of a user's shell: `make test` has put the tools on PATH, and sets flags for `make`."""
    environment = {name: value for name, value in sam_environment().items() if not name.startswith(("MAKE", "MFLAGS"))}
    folders = [folder for folder in environment["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(ROOT)]
    return environment | {"PATH": os.pathsep.join(folders)}


def _lines_of_readme(architecture: str) -> str:
    """Return the README's commands up to `sam build`; another architecture takes the place of this machine's."""
    (block,) = (part for part in (ROOT / "README.md").read_text().split("```") if "\nsam build " in part)
    lines = block.partition("\n\n")[0].splitlines()[1:]
    assert lines[-1].startswith("sam build "), lines
    if architecture != HOST_ARCHITECTURE:
        lines.insert(-1, f"ARCHITECTURE={architecture}")
    return "\n".join(lines)


def sam_build(architecture: str = "") -> Path:
    """Build the template with `make build`, or as the README does for an architecture. Do not change what is returned.

    It is made once for each state of the sources, whoever asks: a build takes longer than most tests.
    """
    with build_lock():
        home = BUILDS / fingerprint()[:16] / (architecture or "plain")
        if home.exists():
            return home
        for other in BUILDS.glob("*"):
            if other != home.parent:
                shutil.rmtree(other, ignore_errors=True)
        partial = home.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        arguments = f"--build-dir {shlex.quote(str(partial))}"
        command = ["make", "build", f"ARGUMENTS={arguments}"]
        if architecture:
            command = ["bash", "-ec", f"{_lines_of_readme(architecture)} {arguments}"]
        run = subprocess.run(command, cwd=ROOT, env=_without_tools(), capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        assert fingerprint()[:16] == home.parent.name, "the sources were changed while they were built"
        return partial.rename(home)
