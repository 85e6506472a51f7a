"""The deployed event source mappings.

The emulator's ListEventSourceMappings omits TumblingWindowInSeconds and adds a StartingPosition to queues. So the
template that CloudFormation processed says which properties a mapping has, and their values where the list has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.deployment.deploy import STACK_NAME, client
from local.errors import DeployFailed

MAPPING_TYPE = "AWS::Lambda::EventSourceMapping"


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping: its logical id and UUID, the function, the source, and the properties that the template gives it.

    `qualifier` is the function's alias or version, None if the mapping names neither.
    """

    name: str
    uuid: str
    function: str
    function_arn: str
    source_arn: str
    timeout_s: int
    properties: Mapping[str, object]
    qualifier: str | None = None

    @property
    def is_stream(self) -> bool:
        """Whether the source is a stream rather than a queue."""
        return ":dynamodb:" in self.source_arn


def list_mappings(endpoint: str) -> list[EventSourceMapping]:
    """All mappings of the stack. Raises DeployFailed if a property cannot be resolved."""
    cloudformation = client("cloudformation", endpoint)
    functions = client("lambda", endpoint)
    parameters = _parameters(cloudformation)
    template = cloudformation.get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
    listed_mappings = {
        mapping["UUID"]: mapping for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
    }
    mappings = []
    for name, uuid in resources(endpoint, MAPPING_TYPE).items():
        mapping = listed_mappings[uuid]
        given = {
            key: mapping[key] if key in mapping else _resolve(name, key, value, parameters, template)
            for key, value in template["Resources"][name]["Properties"].items()
            if key not in {"Enabled", "FunctionName"}
        }
        # arn:aws:lambda:region:account:function:name, and :alias or :version
        function, *qualifiers = mapping["FunctionArn"].split(":")[6:]
        version = {"Qualifier": qualifiers[0]} if qualifiers else {}
        timeout = functions.get_function_configuration(FunctionName=function, **version)["Timeout"]
        mappings.append(
            EventSourceMapping(
                name,
                uuid,
                function,
                mapping["FunctionArn"],
                mapping["EventSourceArn"],
                timeout,
                given,
                *qualifiers,
            )
        )
    return mappings


def resources(endpoint: str, kind: str | None = None) -> dict[str, str]:
    """The stack's resources, of one type or all, as logical id to physical id."""
    described = client("cloudformation", endpoint).describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in described
        if kind is None or resource["ResourceType"] == kind
    }


def _parameters(cloudformation: object) -> dict[str, str]:
    stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]  # type: ignore[attr-defined]
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])}


def _resolve(name: str, key: str, value: object, parameters: Mapping[str, str], template: Mapping[str, Any]) -> object:
    match value:
        case {"Ref": str(reference)} if reference in parameters:
            return parameters[reference]
        case {"Fn::If": [str(condition), one, other]}:
            holds = _holds(template.get("Conditions", {}).get(condition), parameters)
            if holds is not None:
                return _resolve(name, key, one if holds else other, parameters, template)
        case Mapping():
            pass
        case _:
            return value
    raise DeployFailed(
        f"Cannot resolve {key} of {name}: use a literal value, a Ref to a parameter, or an If whose condition compares "
        "a parameter with a literal value in template.yaml."
    )


def _holds(condition: object, parameters: Mapping[str, str]) -> bool | None:
    """Return whether a condition holds that compares a parameter with a literal value; None for any other."""
    match condition:
        case {"Fn::Not": [inner]}:
            holds = _holds(inner, parameters)
            return None if holds is None else not holds
        case {"Fn::Equals": [{"Ref": str(reference)}, str() | int() as literal]} if reference in parameters:
            return parameters[reference] == str(literal)
    return None
