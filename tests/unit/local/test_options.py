"""Options of `make stack`: every mistake is one clear sentence."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from local.deployment.template import template
from local.options import OptionError, check_write_behind, parse_parameters, parse_switch
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


@pytest.mark.parametrize("value", ["rate(7 days)", "cron(0 10 * * ? *)"])
def test_a_value_may_have_spaces(value: str) -> None:
    found = parse_parameters(f"WriteEntrances=on  VerifySchedule={value} JwtAudience=a", KNOWN)
    assert found == {"WriteEntrances": "on", "VerifySchedule": value, "JwtAudience": "a"}


@pytest.mark.parametrize(
    "value", ["https://a.example", "https://a.example,https://b.example", "https://a.example, http://localhost:3000"]
)
def test_each_value_of_a_list_has_the_pattern(value: str) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html"""
    assert parse_parameters(f"CorsOrigins={value} WriteEntrances=on", KNOWN)["CorsOrigins"] == value.replace(" ", "")


@pytest.mark.parametrize(
    ("limits", "value", "is_valid"),
    [
        ({"Default": -1}, "-5", True),
        ({"Default": 0.5, "MinValue": 0, "MaxValue": 1}, "0.25", True),
        ({"Default": 0.5, "MinValue": 0, "MaxValue": 1}, "1.25", False),
        ({"Default": 0.5, "MinValue": 0.1, "MaxValue": 0.7}, "0.1", True),
        ({"Default": 0.5, "MinValue": 0.1, "MaxValue": 0.7}, "0.7", True),
        ({"Default": 0.5, "MaxValue": "0.7"}, "0.8", False),
        ({"Default": 0.5}, "1e3", False),
        ({"Default": 1}, "0.25", False),
        ({"MinValue": 0}, "-5", False),
    ],
)
def test_a_parameter_of_the_user_may_be_any_number(limits: dict[str, float], value: str, is_valid: bool) -> None:
    known = {"Threshold": {"Type": "Number", **limits}}
    told = r"^Threshold must be a (whole )?number( from [-0-9]+( to 1)?| of at most 0\.7)?, not '"
    with nullcontext() if is_valid else pytest.raises(OptionError, match=told):
        assert parse_parameters(f"Threshold={value}", known) == {"Threshold": value}


@pytest.mark.parametrize(
    ("text", "is_on"), [("", False), ("0", False), ("no", False), ("Off", False), ("1", True), ("YES", True)]
)
def test_a_switch_is_yes_or_no(text: str, is_on: bool) -> None:
    assert parse_switch("KEEP", text) is is_on


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WriteEntrance=on", "such as WriteEntrances=…, not 'WriteEntrance=on'"),
        ("WriteEntrances", "must be NAME=VALUE"),
        ("WriteEntrances = on", "must be NAME=VALUE"),
        ("nonsense=1", "such as WriteEntrances=…, not 'nonsense=1'"),
        ("WriteEntrances=yes", "WriteEntrances must be auto or on or off, not 'yes'"),
        ("VerifySchedule=weekly", "VerifySchedule must match .*, not 'weekly'"),
        ("WriteEntrances=on nonsense", "WriteEntrances must be auto or on or off, not 'on nonsense'"),
        (
            "CorsOrigins=https://a.example,https://b.example/page",
            "CorsOrigins must be origins as browsers send them, .*, not 'https://b.example/page'",
        ),
        ("Routes=Late,early", "Routes must match .*, not 'early'"),
        ("Pipeline=pipeline.definition:other", "Pipeline is not among PARAMETERS: name it with TAILRACE_PIPELINE"),
        ("Emulated=false", "Emulated is not among PARAMETERS: it is always true on this machine"),
        ("WriteBehindSeconds=901", "WriteBehindSeconds must be a whole number from 0 to 900, not '901'"),
        ("WriteBehindSeconds=soon", "WriteBehindSeconds must be a whole number from 0 to 900, not 'soon'"),
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
        (["--keep", "perhaps"], "KEEP must be 1 or 0, not 'perhaps'."),
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


@pytest.mark.parametrize("option", ["--table", "--items"])
def test_a_file_may_be_in_the_home(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not every shell replaces the ~ of `make stack TABLE=~/shop.json`."""
    described = '{"TableName": "shop", "KeySchema": [], "AttributeDefinitions": []}'
    (tmp_path / "shop.json").write_text(described)
    monkeypatch.setenv("HOME", str(tmp_path))
    files = {"--table": "~/shop.json", "--items": "~/shop.json"} | {option: "~/nowhere.json"}
    assert main([word for pair in files.items() for word in pair]) == 1
    assert f"{tmp_path}/nowhere.json cannot be read: " in capsys.readouterr().err


def test_write_behind_needs_shards_that_can_be_read_again() -> None:
    check_write_behind({"WriteBehindSeconds": "60"}, 1)
    check_write_behind({"WriteBehindSeconds": "0"}, 4)
    check_write_behind({}, 4)
    with pytest.raises(OptionError, match="needs SHARDS=1"):
        check_write_behind({"WriteBehindSeconds": "60"}, 4)
