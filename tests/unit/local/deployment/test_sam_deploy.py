"""`make deploy` passes on what an earlier deployment has saved, in the form that `sam` reads."""

from pathlib import Path

import pytest

from local.deployment.sam_deploy import arguments, built_architecture
from local.errors import DeployFailed

SAVED = """
[default.deploy.parameters]
parameter_overrides = 'LogLevel="DEBUG" Pipeline="old:pipeline" JwtIssuer="" VerifySchedule="cron(0 3 * * ? *)"'
"""
REST = ['LogLevel="DEBUG"', 'JwtIssuer=""', 'VerifySchedule="cron(0 3 * * ? *)"']


def passed(config: str, variables: dict[str, str] | None = None, routes: str = "A") -> list[str]:
    deploy, guided, overrides, *found = arguments(variables or {}, config, routes)
    assert (deploy, guided, overrides) == ("deploy", "--guided", "--parameter-overrides")
    return found


def test_a_deployment_passes_the_variable_and_what_an_earlier_one_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guided deployment saves every parameter. SAM refuses `JwtIssuer=`, and ends a value at its first space."""
    assert passed("", routes="A,B") == ['Routes="A,B"']
    assert passed(SAVED) == [REST[0], 'Pipeline="old:pipeline"', *REST[1:]]
    monkeypatch.setenv("TAILRACE_PIPELINE", "mine:shop")
    variables = {"TAILRACE_PIPELINE": "mine:shop"}
    assert passed(SAVED, variables, "None") == [*REST, 'Routes="None"', 'Pipeline="mine:shop"']
    assert passed("", variables) == ['Routes="A"', 'Pipeline="mine:shop"']


@pytest.mark.parametrize(
    "saved",
    [
        '"Routes=Old LogLevel=DEBUG"',
        """'ParameterKey=Routes,ParameterValue=Old ParameterKey="LogLevel",ParameterValue="DEBUG"'""",
        '["Routes=Old", "LogLevel=DEBUG"]',
        '{Routes = "Old", LogLevel = "DEBUG"}',
        '{Routes = "Old", LogLevel = ["DEBUG"]}',
        '[{Routes = ["Old", "Older"]}, "LogLevel=DEBUG"]',
    ],
)
@pytest.mark.parametrize("section", ["deploy", "global"])
def test_parameters_are_read_in_every_form(saved: str, section: str) -> None:
    text = f"[default.{section}.parameters]\nparameter_overrides = {saved}"
    assert passed(text) == ['LogLevel="DEBUG"', 'Routes="A"']


@pytest.mark.parametrize(
    ("saved", "reason"),
    [
        ("nothing", ""),
        ("'A=\"b'", ""),
        ('"file://parameters.yaml"', "file://parameters.yaml names a file"),
        ('"nothing"', "'nothing' in parameter_overrides is not NAME=VALUE"),
        ('"A=1 nothing"', "'nothing' in"),
        ('"A = 1"', "'A' in"),
        ('"=1"', "'=1' in"),
        ('"ParameterKey=A"', "'ParameterKey=A' in"),
        ("3", "3 in"),
        ("[true]", "True in"),
        ("{A = {B = 1}}", "{'B': 1} in parameter_overrides is not a value of a parameter"),
    ],
)
def test_parameters_that_cannot_be_read_are_one_sentence(saved: str, reason: str) -> None:
    """SAM leaves out what it cannot read: a deployment without parameters would look right."""
    with pytest.raises(DeployFailed, match=rf"^The parameters saved in samconfig.toml cannot be read: {reason}.*\.$"):
        arguments({}, f"[default.deploy.parameters]\nparameter_overrides = {saved}", "A")


@pytest.mark.parametrize("config", ["default = 3", "[default]\nglobal = 3", "[default.deploy]\nparameters = [1]"])
def test_a_configuration_of_another_form_is_one_sentence(config: str) -> None:
    with pytest.raises(DeployFailed, match=r"cannot be read: \w+ is .*, not a table\.$"):
        arguments({}, config, "A")


@pytest.mark.parametrize("section", ["deploy", "global"])
@pytest.mark.parametrize("name", ["a" * 26, "Shop", "shop_1", "1shop", ""])
def test_a_saved_name_that_no_bucket_can_have_is_refused_before_anything_is_created(name: str, section: str) -> None:
    with pytest.raises(DeployFailed, match=f"The stack name '{name}' in samconfig.toml is invalid: .* at most 25"):
        passed(f'[default.{section}.parameters]\nstack_name = "{name}"')
    assert passed(f'[default.{section}.parameters]\nstack_name = "{"a" * 22}-1b"')


def test_a_switch_is_written_as_the_template_allows_it() -> None:
    config = "[default.deploy.parameters]\nparameter_overrides = {RetainData = false, LogRetentionDays = 7}"
    assert passed(config)[:2] == ['RetainData="false"', 'LogRetentionDays="7"']


def test_quotation_marks_are_kept() -> None:
    config = r"""[default.deploy.parameters]
        parameter_overrides = 'A="b \"c\""'"""
    assert passed(config)[0] == r'A="b \"c\""'


@pytest.mark.parametrize(("machine", "built"), [("aarch64", "arm64"), ("x86_64", "x86_64")])
def test_functions_have_the_architecture_of_the_layer(tmp_path: Path, machine: str, built: str) -> None:
    assert built_architecture(tmp_path) is None
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / f"_core.cpython-313-{machine}-linux-gnu.so").touch()
    assert built_architecture(tmp_path) == built
    assert arguments({}, "", "A", built)[3:] == ['Routes="A"', f'Architecture="{built}"']
    saved = '[default.deploy.parameters]\nparameter_overrides = "Architecture={}"'
    assert arguments({}, saved.format(built), "A", built)[-1] == f'Architecture="{built}"'
    with pytest.raises(DeployFailed, match="ARGUMENTS='--parameter-overrides Architecture=another'"):
        arguments({}, saved.format("another"), "A", built)
