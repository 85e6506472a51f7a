"""Supply chain: hashes in all locks, pinned actions, a bill of materials of the layer, and honest audits."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.security import audit
from tests.architecture.stack import ROOT

LAYER_LOCK = ROOT / "layers" / "tailrace" / "requirements.txt"
PINNED = re.compile(r"^[A-Za-z0-9_.-]+==\S+( ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
ACTION = re.compile(r"^[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}$")
COMMENTED = re.compile(r"@[0-9a-f]{40} # v\d+(\.\d+)*$")


def unlocked(text: str) -> list[str]:
    """Return the lines of a lock that are neither an exact version nor a hash, and versions without hashes."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    wrong = [line for line in lines if not PINNED.match(line) and not HASH.match(line)]
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PINNED.match(line) and not HASH.match(following)
    ]
    return wrong + bare


@pytest.mark.parametrize("path", audit.PYTHON_LOCKS, ids=lambda path: path.name)
def test_python_packages_are_locked_with_hashes(path: Path) -> None:
    """Each with an exact version and the hashes of its files."""
    assert not unlocked(path.read_text())


@pytest.mark.parametrize("text", ["boto3>=1.0\n", "boto3==1.0\n", "boto3==1.0 \\\n", "git+https://example.com/x\n"])
def test_what_is_not_locked_is_noticed(text: str) -> None:
    """A range, a version without hashes, an address."""
    assert unlocked(text)


@pytest.mark.parametrize(
    "path", [*ROOT.glob("locks/*.json"), *ROOT.glob("locks/*/package-lock.json")], ids=lambda p: p.name
)
def test_npm_packages_are_locked_with_integrity(path: Path) -> None:
    """A single package, or a whole lock of npm."""
    found = json.loads(path.read_text())
    packages = [entry for name, entry in found["packages"].items() if name] if "packages" in found else [found]
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+[\w.-]*", entry["version"]) for entry in packages)


def uses(node: Any) -> list[str]:
    """Return every action and reusable workflow that a workflow uses."""
    if isinstance(node, dict):
        own = [node["uses"]] if isinstance(node.get("uses"), str) else []
        return own + [found for value in node.values() for found in uses(value)]
    return [found for value in node for found in uses(value)] if isinstance(node, list) else []


WORKFLOWS = sorted((ROOT / ".github").rglob("*.y*ml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    """By the full digest, with the version beside it for people and Dependabot; no image is pulled by tag."""
    found = uses(yaml.safe_load(path.read_text()))
    assert all(ACTION.match(action) for action in found if not action.startswith("./"))
    named = [line for line in path.read_text().splitlines() if "uses:" in line and "@" in line]
    assert all(COMMENTED.search(line) for line in named)
    assert not re.search(r"^\s*(image|container):", path.read_text(), re.MULTILINE)


def test_there_is_a_workflow_with_an_action() -> None:
    """The test above looks at something."""
    assert any(uses(yaml.safe_load(path.read_text())) for path in WORKFLOWS)


@pytest.mark.parametrize("action", ["actions/checkout@v5", "actions/checkout@main", "docker://alpine:3", "a/b@08c6903"])
def test_a_tag_is_no_pin(action: str) -> None:
    """It can be moved."""
    assert not ACTION.match(action)


def test_the_bill_of_materials_names_what_the_layer_holds(tmp_path: Path) -> None:
    """Each package with its version and hashes; the same file each time."""
    command: list[str | Path] = [
        ROOT / ".tools/audit/bin/cyclonedx-py",
        "requirements",
        LAYER_LOCK,
        "--output-reproducible",
    ]
    made = []
    for name, check in (("one.json", "--validate"), ("two.json", "--no-validate")):  # both are the same, so both valid
        subprocess.run([*command, check, "-o", tmp_path / name], check=True, capture_output=True)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    bill = json.loads(made[0])
    assert bill["bomFormat"] == "CycloneDX"
    named = {(one["name"], one["version"]) for one in bill["components"]}
    assert named == set(re.findall(r"^([\w.-]+)==(\S+)", LAYER_LOCK.read_text(), re.MULTILINE))
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])


SKIPPED = {"name": "a", "skip_reason": "Dependency not found on PyPI and could not be audited: a (1)"}
CLEAN = {"name": "b", "version": "2", "vulns": []}
VULNERABLE = {"name": "c", "version": "3", "vulns": [{"id": "PYSEC-1", "fix_versions": ["4"], "aliases": []}]}


def test_a_package_that_was_not_looked_up_is_not_safe() -> None:
    """pip-audit itself succeeds then."""
    found = audit.of_pip("lock", {"dependencies": [SKIPPED, CLEAN]})
    assert (found.checked, found.findings) == (1, ())
    assert "not found on PyPI" in found.unknown
    assert audit.of_pip("lock", {"dependencies": [CLEAN]}) == audit.Audit("lock", 1)
    assert audit.of_pip("lock", {"dependencies": [VULNERABLE]}).findings == ("c 3: PYSEC-1, fixed in 4",)


def test_a_registry_that_does_not_answer_is_not_safe() -> None:
    """As npm reports it."""
    answer = {"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}}
    assert audit.of_npm("lock", answer).unknown == "405 Method Not Allowed"
    clean = {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 5}}}
    assert audit.of_npm("lock", clean) == audit.Audit("lock", 5)
    bad = {**clean, "vulnerabilities": {"x": {"range": "<2", "severity": "high"}}}
    assert audit.of_npm("lock", bad).findings == ("x <2: high",)


def test_without_a_network_nothing_is_called_safe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real tools, with no way out."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setattr(audit, "PYTHON_LOCKS", (LAYER_LOCK,))
    assert audit.main("npm") == audit.UNKNOWN
    told = capsys.readouterr()
    assert told.out.count("NOT AUDITED") == 1 + len(audit.NPM_FOLDERS)
    assert "some lookups failed" in told.err
