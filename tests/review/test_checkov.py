"""Template review: cfn-lint and checkov find nothing, and every finding that is accepted has a written reason."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from local.deployment.template import template as written
from local.security import checkov
from tests.architecture.stack import ROOT, template

SHORTEST_REASON = 20
RULE = re.compile(r"CKV2?_[A-Z0-9_]+|[EWI]\d{4}")
OPEN_BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Fn::Sub": "${AWS::StackName}-${Name}"}}}


def reasons_in_metadata(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a resource's Metadata accepts, each with its reason."""
    metadata = resource.get("Metadata", {})
    for entry in metadata.get("checkov", {}).get("skip", []):
        yield entry["id"], entry.get("comment", "")
    for rule in metadata.get("cfn-lint", {}).get("config", {}).get("ignore_checks", []):
        yield rule, metadata["cfn-lint"].get("reason", "")


def reasons_in_file(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the rules that a configuration file accepts, each with the comment above it or above its group."""
    comment: list[str] = []
    follows_rule = False
    for line in path.read_text().splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment = [text] if follows_rule else [*comment, text]
        elif found := RULE.search(text):
            yield found[0], " ".join(comment)
        else:
            comment = []
        follows_rule = RULE.search(text) is not None


ACCEPTED = [
    *((name, *entry) for name, resource in template()["Resources"].items() for entry in reasons_in_metadata(resource)),
    *((path.name, *entry) for path in (ROOT / ".checkov.yaml",) for entry in reasons_in_file(path)),
]


def test_there_are_no_other_files_that_accept_findings() -> None:
    """cfn-lint's own configuration would hide findings from this test."""
    assert not [path.name for path in ROOT.glob(".cfnlint*")]
    assert "cfn-lint" not in written().get("Metadata", {})
    assert "checkov:skip" not in (ROOT / "template.yaml").read_text()


@pytest.mark.parametrize(("where", "rule", "reason"), ACCEPTED)
def test_what_is_accepted_has_its_reason(where: str, rule: str, reason: str) -> None:
    """In the resource's Metadata, or in the comment above the rule."""
    assert len(reason) >= SHORTEST_REASON, (where, rule)


def test_a_rule_without_a_comment_of_its_own_is_noticed(tmp_path: Path) -> None:
    """A blank line or another key ends what a comment speaks of."""
    path = tmp_path / "configuration.yaml"
    path.write_text("skip-check:\n  # a reason for one thing\n  - CKV_AWS_1\nother: true\nskip-check:\n  - CKV_AWS_2\n")
    assert dict(reasons_in_file(path)) == {"CKV_AWS_1": "# a reason for one thing", "CKV_AWS_2": ""}


def test_checkov_finds_what_is_wrong_in_a_loop(tmp_path: Path) -> None:
    """It knows no Fn::ForEach; and it finds nothing else in this template."""
    broken = deepcopy(dict(written()))
    broken["Resources"]["Fn::ForEach::Open"] = ["Name", ["First", "Second"], {"${Name}OpenBucket": OPEN_BUCKET}]
    found = checkov.findings(broken, tmp_path / "template.json")
    assert {line.split(":")[4].strip(".") for line in found} == {"Bucket.FirstOpenBucket", "Bucket.SecondOpenBucket"}
    assert any("CKV_AWS_56" in line for line in found)


@pytest.mark.parametrize("text", ["", "Resources: [}"])
def test_a_template_that_is_not_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Never an empty list of findings for what was not looked at."""
    monkeypatch.setattr(json, "dumps", lambda *_, **__: text)
    assert checkov.findings(written(), tmp_path / "template.json")
