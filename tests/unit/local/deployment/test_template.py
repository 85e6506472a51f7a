"""A template that cannot be read is one sentence, with the place, and no traceback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment import template as module
from local.deployment.check_definition import main
from local.deployment.template import template
from local.errors import InvalidDefinition

PIPELINE = "Parameters: {Pipeline: {Default: 'a:b'}}\n"
NEEDED = "template.yaml must have Resources, and a parameter Pipeline whose Default is a text."


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "template.yaml"
    monkeypatch.setattr(module, "TEMPLATE", path)
    template.cache_clear()
    yield path
    template.cache_clear()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"{PIPELINE}Resources: [one\n",
            "template.yaml cannot be read: line 3, column 1: did not find expected ',' or ']'.",
        ),
        (
            f"{PIPELINE}Resources:\n\tA: 1\n",
            "template.yaml cannot be read: line 3, column 1: found character that cannot",
        ),
        (
            f"{PIPELINE}Resources: {{A: *gone}}\n",
            "template.yaml cannot be read: line 2, column 16: found undefined alias",
        ),
        ("A: \x01\n", "template.yaml cannot be read: unacceptable character"),
        ("A: 2026-99-99\n", "template.yaml cannot be read: month must be in 1..12"),
        ("", NEEDED),
        ("Resources: {}\n", NEEDED),
        (PIPELINE, NEEDED),
        ("Resources: {}\nParameters: {Pipeline: {Type: String}}\n", NEEDED),
    ],
)
def test_a_template_that_cannot_be_read_is_one_sentence(
    file: Path, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before, `make stack`, its watch, `make check` and `make deploy` printed a traceback."""
    file.write_text(text, encoding="utf-8")
    assert main([]) == 1
    told = capsys.readouterr().err
    assert told.startswith(sentence)
    assert told.count("\n") == 1


def test_a_template_that_is_missing_is_named(file: Path) -> None:
    with pytest.raises(InvalidDefinition, match="template.yaml cannot be read: .*No such file"):
        template()


def test_a_template_that_is_not_utf8_is_named(file: Path) -> None:
    file.write_bytes(b"A: \xff")
    with pytest.raises(InvalidDefinition, match="template.yaml cannot be read: 'utf-8' codec"):
        template()


def test_a_template_that_was_corrected_is_read(file: Path) -> None:
    file.write_text("[", encoding="utf-8")
    with pytest.raises(InvalidDefinition):
        template()
    file.write_text(f"{PIPELINE}Resources: {{A: !GetAtt B.Arn}}\n", encoding="utf-8")
    assert template()["Resources"] == {"A": {"Fn::GetAtt": ["B", "Arn"]}}
