"""Wherever Tailrace says which release it is, it says the same."""

import re
import tomllib

import pytest

import tailrace
from cli.__main__ import main
from local.deployment.template import template
from tailrace import Pipeline
from tailrace.http.openapi.document import build_document
from tailrace.version import VERSION
from tests.architecture.stack import ROOT


def test_it_is_a_semantic_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_package_and_its_metadata_take_it_from_one_module() -> None:
    """The layer runs without a package's metadata, so the constant comes first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert tailrace.__version__ == VERSION
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "tailrace.version.VERSION"}


def test_a_stack_says_it_in_its_outputs() -> None:
    assert template()["Outputs"]["Version"]["Value"] == VERSION


def test_the_openapi_document_says_it() -> None:
    assert build_document(Pipeline([]), {})["info"]["version"] == VERSION


def test_the_command_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tailrace {VERSION}\n"


def test_the_newest_release_of_the_changelog_is_it_below_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} - \d{{4}}-\d{{2}}-\d{{2}}", headings[1])
