"""Imports run functions → tailrace.aws → core, and pipeline → core; never back."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources.files import modules, short
from tests.architecture.stack import FUNCTIONS as HANDLERS
from tests.architecture.stack import ROOT

LAYER = ROOT / "layers" / "tailrace"
AWS_SDK = {"boto3", "botocore", "s3transfer", "aws_lambda_powertools"}

# What a pure core must not even be able to reach: AWS, the environment, the clock, randomness, a logger, the network.
IMPURE = AWS_SDK | {
    "os",
    "time",
    "random",
    "secrets",
    "uuid",
    "logging",
    "socket",
    "subprocess",
    "urllib.request",
    "http.client",
    "tempfile",
}
CLOCKS = {"now", "utcnow", "today"}


CORE = [path for path in modules(LAYER / "tailrace") if "aws" not in path.relative_to(LAYER).parts]
AWS = modules(LAYER / "tailrace" / "aws")
PIPELINE = modules(LAYER / "pipeline")
FUNCTIONS = modules(ROOT / "functions")


def imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, wherever in the file it does."""
    return set(_imported(ast.parse(path.read_text())))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            # `from tailrace import aws` imports a module too
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top(names: set[str]) -> set[str]:
    """Return the first parts of module names."""
    return {name.split(".")[0] for name in names}


def reached(names: set[str]) -> set[str]:
    """Return module names with all packages that they are in."""
    return {name.rsplit(".", depth)[0] for name in names for depth in range(name.count(".") + 1)}


def test_there_is_something_to_check() -> None:
    """The folders are where these tests look for them."""
    assert len(CORE) > 5
    assert AWS
    assert PIPELINE
    assert {path.parent.name for path in FUNCTIONS} == set(HANDLERS)


@pytest.mark.parametrize("path", CORE, ids=short)
def test_the_core_is_pure(path: Path) -> None:
    """The core imports no AWS, no environment, no clock, no randomness and no logger, and reads no clock."""
    assert not reached(imported(path)) & IMPURE
    called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not called & CLOCKS


@pytest.mark.parametrize("path", CORE, ids=short)
def test_the_core_knows_nothing_of_what_uses_it(path: Path) -> None:
    """The core imports neither tailrace.aws, nor a pipeline, nor a function."""
    names = imported(path)
    assert not top(names) & {"functions", "pipeline", "local", "cli", "tests"}
    assert not any(name == "tailrace.aws" or name.startswith("tailrace.aws.") for name in names)


@pytest.mark.parametrize("path", AWS, ids=short)
def test_the_aws_side_knows_nothing_of_functions_or_pipelines(path: Path) -> None:
    """tailrace.aws imports the core, and nobody's pipeline or function."""
    assert not top(imported(path)) & {"functions", "pipeline", "local", "cli", "tests"}


@pytest.mark.parametrize("path", PIPELINE, ids=short)
def test_the_pipeline_is_pure_and_needs_the_core_only(path: Path) -> None:
    """A transform that looked at the clock or at AWS could not be retracted."""
    names = imported(path)
    assert not reached(names) & (IMPURE | {"functions", "local", "cli", "tests"})
    assert not any(name.startswith("tailrace.aws") for name in names)


@pytest.mark.parametrize("path", FUNCTIONS, ids=short)
def test_a_function_imports_the_standard_library_and_the_layer(path: Path) -> None:
    """Functions ship their own file only, so all else has to be in the layer, and the SDK is behind tailrace.aws."""
    allowed = set(sys.stdlib_module_names) | {"tailrace", "aws_lambda_powertools"}
    assert top(imported(path)) <= allowed


@pytest.mark.parametrize("stage", HANDLERS)
def test_importing_a_handler_needs_no_environment_and_makes_no_client(stage: str) -> None:
    """Settings are parsed and clients made in an invocation, so that a mistake is an error and not a crash at start."""
    code = f"import boto3, functions.{stage}.app; assert boto3.DEFAULT_SESSION is None"
    path = f"{ROOT}{os.pathsep}{LAYER}"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
