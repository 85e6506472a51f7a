"""Options of `make stack`: every mistake is one clear sentence."""

import json
from pathlib import Path

import pytest

from local.deployment.template import template
from local.options import OptionError, parse_parameters
from local.run_stack import main

KNOWN = template()["Parameters"]


def test_parameters_are_those_of_the_template() -> None:
    assert parse_parameters("", KNOWN) == {}
    found = parse_parameters(" WriteEntrances=on  AggregateWindowSeconds=5 JwtIssuer=https://a.example/?b=c", KNOWN)
    assert found == {
        "WriteEntrances": "on",
        "AggregateWindowSeconds": "5",
        "JwtIssuer": "https://a.example/?b=c",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WriteEntrance=on", "such as WriteEntrances=…, not 'WriteEntrance=on'"),
        ("WriteEntrances", "must be NAME=VALUE"),
        ("WriteEntrances = on", "must be NAME=VALUE"),
        ("nonsense=1", "such as WriteEntrances=…, not 'nonsense=1'"),
        ("WriteEntrances=yes", "WriteEntrances must be auto or on or off, not 'yes'"),
    ],
)
def test_others_are_refused(text: str, expected: str) -> None:
    with pytest.raises(OptionError, match=expected):
        parse_parameters(text, KNOWN)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--items", "items.json"], "ITEMS needs TABLE"),
        (["--table", "nowhere.json"], "nowhere.json cannot be read: "),
        (["--parameters", "Table=shop"], "PARAMETERS must be NAME=VALUE"),
        (["--keep", "yes"], "KEEP must be a whole number"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Before anything is started."""
    (tmp_path / "items.json").write_text(json.dumps({"Items": []}))
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
