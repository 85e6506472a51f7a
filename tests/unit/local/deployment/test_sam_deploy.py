"""`make deploy` passes on what an earlier deployment has saved, in the form that `sam` reads."""

from pathlib import Path

import pytest

from local.deployment import sam_deploy
from local.deployment.sam_config import SamConfig, read_config
from local.deployment.sam_deploy import BUILD, ROOT, arguments, built_architecture, shared_options
from local.errors import DeployFailed

SAVED = """
[default.deploy.parameters]
parameter_overrides = 'LogLevel="DEBUG" Pipeline="old:pipeline" JwtIssuer="" VerifySchedule="cron(0 3 * * ? *)"'
"""
REST = ['LogLevel="DEBUG"', 'JwtIssuer=""', 'VerifySchedule="cron(0 3 * * ? *)"']


def passed(config: str, variables: dict[str, str] | None = None, routes: str = "A") -> list[str]:
    deploy, guided, overrides, *found = arguments(variables or {}, SamConfig(config), routes)
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
        arguments({}, SamConfig(f"[default.deploy.parameters]\nparameter_overrides = {saved}"), "A")


@pytest.mark.parametrize("config", ["default = 3", "[default]\nglobal = 3", "[default.deploy]\nparameters = [1]"])
def test_a_configuration_of_another_form_is_one_sentence(config: str) -> None:
    with pytest.raises(DeployFailed, match=r"cannot be read: \w+ is .*, not a table\.$"):
        arguments({}, SamConfig(config), "A")


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
    assert arguments({}, SamConfig(), "A", built)[3:] == ['Routes="A"', f'Architecture="{built}"']
    saved = '[default.deploy.parameters]\nparameter_overrides = "Architecture={}"'
    assert arguments({}, SamConfig(saved.format(built)), "A", built)[-1] == f'Architecture="{built}"'
    with pytest.raises(DeployFailed, match="ARGUMENTS='--parameter-overrides Architecture=another'"):
        arguments({}, SamConfig(saved.format("another")), "A", built)


CONFIG = """
[default.global.parameters]
stack_name = "tailrace"
[default.deploy.parameters]
parameter_overrides = "LogLevel=DEBUG"
[prod.global.parameters]
stack_name = "{}"
[prod.deploy.parameters]
parameter_overrides = "LogLevel=WARN"
"""


def passed_with(given: str, config: str = CONFIG.format("shop"), folder: Path | None = None) -> list[str]:
    """Return what sam gets with these ARGUMENTS, read as `make deploy` does."""
    options = shared_options(given.split())
    read = SamConfig(config, environment=options.config_env or "default")
    if folder is not None:
        read = read_config(folder, options.config_file, options.config_env)
    return arguments({}, read, "A", None, options)


@pytest.mark.parametrize("given", ["--config-env prod --cached", "--config-env default --config-env=prod"])
def test_the_environment_of_the_build_is_deployed(given: str) -> None:
    assert passed_with(given) == [
        *("deploy", "--guided", "--config-env", "prod"),
        *("--parameter-overrides", 'LogLevel="WARN"', 'Routes="A"'),
    ]
    with pytest.raises(DeployFailed, match="The stack name 'Shop' in samconfig.toml"):
        passed_with(given, CONFIG.format("Shop"))
    assert passed_with("", CONFIG.format("Shop"))[2] == "--parameter-overrides"


@pytest.mark.parametrize("given", ["--region eu-west-1 --profile prod", "--region=eu-west-1 -x A --profile=prod"])
def test_the_place_and_the_parameters_of_the_build_are_those_of_the_deployment(given: str) -> None:
    """The deployment went to the default account, and without the parameters."""
    place = ["deploy", "--guided", "--region", "eu-west-1", "--profile", "prod", "--parameter-overrides"]
    assert passed_with(given) == [*place, 'LogLevel="DEBUG"', 'Routes="A"']
    overridden = passed_with(f"{given} --parameter-overrides LogLevel=INFO ParameterKey=Tracing,ParameterValue=Active")
    assert overridden == [*place, 'LogLevel="INFO"', 'Tracing="Active"', 'Routes="A"']
    with pytest.raises(DeployFailed, match=r"^The parameters in ARGUMENTS cannot be read: 'LogLevel' in .*\.$"):
        passed_with("--parameter-overrides LogLevel")


def test_an_architecture_in_the_arguments_replaces_the_saved_one() -> None:
    config = SamConfig('[default.deploy.parameters]\nparameter_overrides = "Architecture=arm64"')
    given = shared_options(["--parameter-overrides", "Architecture=x86_64"])
    assert arguments({}, config, "A", "x86_64", given)[-1] == 'Architecture="x86_64"'


def test_a_name_in_the_arguments_is_checked_instead_of_the_saved_one() -> None:
    invalid = CONFIG.format("x").replace('"tailrace"', '"Tailrace"')
    assert passed_with("--stack-name shop", invalid)[2:4] == ["--stack-name", "shop"]
    with pytest.raises(DeployFailed, match="^The stack name 'Shop' is invalid"):
        passed_with("--stack-name=Shop")


@pytest.mark.parametrize("given", ["--build-dir /elsewhere", "-b /elsewhere", "--build-dir=/elsewhere -bi image"])
def test_a_build_in_another_folder_is_the_one_that_is_deployed(given: str) -> None:
    """SAM looks for its file beside the template. It deployed an earlier build."""
    place = ["--template-file", "/elsewhere/template.yaml", "--config-file", str(ROOT / "samconfig.toml")]
    assert sorted(passed_with(given)[2:6]) == sorted(place)
    assert shared_options(["-bi", "image", "-cd", "cache"]).build_dir == BUILD


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("samconfig.yaml", "prod: {deploy: {parameters: {stack_name: shop, parameter_overrides: [A=1, B: 2]}}}"),
        ("samconfig.yml", "prod: {deploy: {parameters: {stack_name: shop, parameter_overrides: {A: 1, B: 2}}}}"),
        ("samconfig.json", '{"prod": {"deploy": {"parameters": {"parameter_overrides": "A=1 B=2"}}}}'),
        ("other.toml", '[prod.deploy.parameters]\nparameter_overrides = "A=1 B=2"'),
    ],
)
def test_each_file_that_sam_reads_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    given = "--config-env prod" + (f" --config-file {name}" if name.startswith("other") else "")
    assert passed_with(given, folder=tmp_path)[-3:] == ['A="1"', 'B="2"', 'Routes="A"']
    if name.startswith("samconfig"):
        (tmp_path / "samconfig.toml").touch()
        assert passed_with(given, folder=tmp_path)[-2:] == ["--parameter-overrides", 'Routes="A"']


def test_a_file_that_is_missing_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    """Without any, SAM uses its defaults."""
    assert passed_with("", folder=tmp_path)[-1] == 'Routes="A"'
    with pytest.raises(DeployFailed, match=r"^x\.toml cannot be read: No such file or directory\.$"):
        passed_with("--config-file x.toml", folder=tmp_path)
    (tmp_path / "samconfig.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(DeployFailed, match=r"^The parameters saved in samconfig\.yaml cannot be read: [^\n]*\.$"):
        passed_with("", folder=tmp_path)


def test_make_passes_the_arguments_on() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndeploy:")[2].partition("\n\n")[0]
    assert sam_deploy.__name__ + " $(ARGUMENTS) " in recipe
