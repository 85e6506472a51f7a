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
        '[{Routes = ["Old", "Older"]}, "LogLevel=DEBUG"]',
    ],
)
@pytest.mark.parametrize("section", ["deploy", "global"])
def test_parameters_are_read_in_every_form(saved: str, section: str) -> None:
    text = f"[default.{section}.parameters]\nparameter_overrides = {saved}"
    assert passed(text) == ['LogLevel="DEBUG"', 'Routes="A"']


@pytest.mark.parametrize("saved", ["nothing", "'A=\"b'", '"file://parameters.yaml"'])
def test_parameters_that_cannot_be_read_are_one_sentence(saved: str) -> None:
    with pytest.raises(DeployFailed, match=r"^The parameters saved in samconfig.toml cannot be read: .*\.$"):
        arguments({}, f"[default.deploy.parameters]\nparameter_overrides = {saved}", "A")


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
