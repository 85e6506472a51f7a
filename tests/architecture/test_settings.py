"""Template, settings types and definition agree on every variable."""

import pytest

from tailrace.aws.aggregates import row_reader
from tailrace.aws.api import batches
from tailrace.aws.runtime import settings
from tailrace.aws.stages import aggregate, archive, fanout, ingest, load_clock
from tailrace.errors import SettingsError
from tests.architecture.stack import (
    FUNCTIONS,
    LIBRARY_VARIABLES,
    PAGE,
    ROOT,
    STAGES,
    function_id,
    properties,
    referred,
    template,
    variable_name,
    variables,
)

PIPELINE_VARIABLE = "TAILRACE_PIPELINE"
OPTIONAL = {PIPELINE_VARIABLE, "DASHBOARD_TOKEN_ORIGIN", "WRITE_ENTRANCES", "ATTACHED_STREAM", "WRITE_BEHIND_SECONDS"}
SCOPES = {"JWT_READ_SCOPE": "${JwtReadScope}", "JWT_WRITE_SCOPE": "${JwtWriteScope}"}
FLAGS = {"WRITE_ENTRANCES": "on", "ATTACHED_STREAM": ""}
"""What conditions decide, by default."""
LOCAL = {"VIRTUAL_SHARDS"}
"""What only the stack on one machine sets."""
BY_NAME = {
    "AGGREGATE_FUNCTION": ":aggregate",
    "HISTORY_MACHINE": ":stateMachine:history",
    "LOAD_FUNCTION": ":load",
}
"""What is named instead of referred to, since a reference would be circular."""


def settings_of(stage: str) -> type[settings.Settings]:
    """Return a stage's settings type."""
    found: type[settings.Settings] = getattr(settings, f"{stage.capitalize()}Settings")
    return found


def expected(stage: str) -> set[str]:
    """Return the variables that a stage reads: a field each."""
    return {name.upper() for name in settings_of(stage).__struct_fields__} - LOCAL


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_the_template_gives_exactly_what_the_settings_read(stage: str) -> None:
    """A variable too few fails in the first invocation, one too many is a right too many."""
    assert variables(stage).keys() == expected(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_variable_is_named_after_its_resource(stage: str) -> None:
    """ItemsTable is ITEMS_TABLE, in every function that uses it."""
    for name, value in variables(stage).items():
        if name == PIPELINE_VARIABLE:
            assert value == {"Ref": "Pipeline"}
        elif name == "ROUTES":
            assert value == {"Fn::Join": [",", {"Ref": "Routes"}]}
        elif name in FLAGS:
            assert value == FLAGS[name]
        elif name in SCOPES:
            assert value == {"Fn::Sub": SCOPES[name]}
        elif name == "WRITE_BEHIND_SECONDS":
            assert value == {"Fn::Sub": "${WriteBehindSeconds}"}
        elif name in BY_NAME:
            kind, _, resource = BY_NAME[name].rpartition(":")
            assert value["Fn::Sub"].endswith(f"{kind}:${{AWS::StackName}}-{resource}".removeprefix(":"))
        else:
            assert [variable_name(logical_id) for logical_id in referred(value)] == [name]


def test_the_pages_variables_are_named_after_parameters() -> None:
    """It knows where people sign in, and of no resource."""
    for name, value in variables(PAGE).items():
        if name not in (PIPELINE_VARIABLE, "STACK_NAME"):
            parameter = value["Fn::Sub"].removeprefix("${").removesuffix("}")
            assert variable_name(parameter) == name
            assert parameter in template()["Parameters"]
        else:
            assert not referred(value)


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_settings_name_what_is_missing(stage: str) -> None:
    """With everything they parse; without one variable the error names it."""
    environ = dict.fromkeys(expected(stage), "there")
    settings_of(stage).parse(environ)
    for name in expected(stage) - OPTIONAL - (SCOPES.keys() if stage == "api" else set()):
        if name.lower() in settings_of(stage).__struct_fields__:
            with pytest.raises(SettingsError, match=name):
                settings_of(stage).parse({key: value for key, value in environ.items() if key != name})


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_the_handler_reads_its_own_settings(stage: str) -> None:
    """The function of a stage parses the settings of that stage and of no other."""
    text = (ROOT / "functions" / stage / "app.py").read_text()
    assert f"{stage.capitalize()}Settings.parse(" in text
    assert text.count("Settings.parse(") == 1


def test_the_pipeline_is_chosen_by_a_parameter() -> None:
    """Another definition needs no change of the template or of a function."""
    assert template()["Parameters"]["Pipeline"]["Default"] == "pipeline.definition:pipeline"


def test_a_deployment_gives_no_endpoint() -> None:
    """The variable is declared for `sam local invoke` only: on AWS even an empty endpoint would be a mistake."""
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["AWS_ENDPOINT_URL"] == {"Ref": "AWS::NoValue"}
    assert shared.keys() - LIBRARY_VARIABLES == {PIPELINE_VARIABLE}


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_logs_and_metrics_say_which_stage_they_are_from(stage: str) -> None:
    """The service's name is the folder's."""
    assert properties(function_id(stage))["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == stage
    assert properties(function_id(stage))["CodeUri"] == f"functions/{stage}/"


@pytest.mark.parametrize(
    ("stage", "reserve_ms"),
    [
        ("aggregate", aggregate._MIN_TIME_LEFT_MS),
        ("api", batches._MIN_TIME_LEFT_MS),
        ("api", row_reader._MIN_TIME_LEFT_MS),
        ("archive", archive._MIN_TIME_LEFT_MS),
        ("fanout", fanout._MIN_TIME_LEFT_MS),
        ("ingest", ingest._MIN_TIME_LEFT_MS),
        ("load", load_clock.MIN_TIME_LEFT_MS),
    ],
)
def test_a_function_has_more_time_than_it_reserves_for_writing(stage: str, reserve_ms: int) -> None:
    """With less, an invocation would end before it begins, and each retry as well."""
    assert properties(function_id(stage))["Timeout"] * 1000 > 1.5 * reserve_ms
