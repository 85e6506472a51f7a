"""The deployed event source mappings.

The emulator's ListEventSourceMappings omits TumblingWindowInSeconds and adds a StartingPosition to queues. So the
template that CloudFormation processed says which properties a mapping has, and their values where the list has none.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from local.deployment.deploy import client, event_source_mappings, is_polled
from local.deployment.emulator import STACK_NAME
from local.deployment.intrinsics import NO_VALUE, Intrinsics, UnresolvableError
from local.errors import DeployFailed

MAPPING_TYPE = "AWS::Lambda::EventSourceMapping"

type Json = Mapping[str, Any]


class EventSourceMapping(Struct, frozen=True):
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
    """All mappings of the stack that are polled here and enabled on AWS.

    Raises DeployFailed if a property cannot be resolved, or if two of a stream or queue pass it to the same function.
    """
    cloudformation = client("cloudformation", endpoint)
    functions = client("lambda", endpoint)
    parameters = _parameters(cloudformation)
    template = cloudformation.get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
    listed_mappings = {mapping["UUID"]: mapping for mapping in event_source_mappings(functions)}
    intrinsics = Intrinsics(template, parameters)
    on_aws = Intrinsics(template, {**parameters, "Emulated": "false"})
    mappings = []
    names: dict[tuple[str, str], str] = {}
    for name, uuid in resources(endpoint, MAPPING_TYPE).items():
        mapping, properties = listed_mappings[uuid], template["Resources"][name]["Properties"]
        if not is_polled(mapping):
            continue
        _refuse_second(name, names.setdefault((mapping["FunctionArn"], mapping["EventSourceArn"]), name))
        enabled = _resolved(name, "Enabled", properties.get("Enabled", True), on_aws)
        if str(enabled).lower() == "false":
            continue
        mappings.append(_mapping(name, mapping, _given(name, properties, mapping, intrinsics), functions))
    return mappings


def _refuse_second(name: str, first: str) -> None:
    """Raise DeployFailed if a mapping has the function and the source of another one, enabled or not.

    https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/sqs_mapping_controls.json
    """
    if name != first:
        raise DeployFailed(f"Lambda would refuse {name}: {first} passes the same source to the same function.")


def _given(name: str, properties: Json, mapping: Json, intrinsics: Intrinsics) -> dict[str, object]:
    """The properties that the template gives a mapping, with their values."""
    given = {}
    for key, value in properties.items():
        if key not in {"Enabled", "FunctionName"}:
            found = _resolved(name, key, value, intrinsics, mapping.get(key))
            if found is not NO_VALUE:
                given[key] = mapping.get(key, found)
    return given


def _resolved(name: str, key: str, value: object, intrinsics: Intrinsics, deployed: object = None) -> object:
    """Resolve a property; the value that the emulator lists serves if that is not possible. Raises DeployFailed."""
    try:
        return intrinsics.resolve(value)
    except UnresolvableError as error:
        if deployed is not None:
            return deployed
        raise DeployFailed(
            f"Cannot resolve {key} of {name}: use literal values, parameters, Mappings and Conditions in template.yaml."
        ) from error


def _mapping(name: str, mapping: Json, given: Json, functions: Any) -> EventSourceMapping:
    # arn:aws:lambda:region:account:function:name, and :alias or :version
    function, *qualifiers = mapping["FunctionArn"].split(":")[6:]
    version = {"Qualifier": qualifiers[0]} if qualifiers else {}
    timeout = functions.get_function_configuration(FunctionName=function, **version)["Timeout"]
    arns = mapping["FunctionArn"], mapping["EventSourceArn"]
    return EventSourceMapping(name, mapping["UUID"], function, *arns, timeout, given, *qualifiers)


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
