"""Create or update the stack on the emulator: upload a build's artifacts and call CloudFormation.

`sam deploy` would do the same, but with four seconds of CPU time.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.exceptions import ClientError

from local.deployment.build import ARTIFACTS_BUCKET, artifact_keys, package, with_architecture
from local.deployment.derived_build import LAYER, PACKAGED_TEMPLATE
from local.deployment.emulator import REGION, STACK_NAME
from local.deployment.intrinsics import NO_VALUE, Intrinsics, UnresolvableError
from local.deployment.processes import clean_environment
from local.deployment.template import pipeline_reference
from local.errors import DeployFailed

DEPLOY_SECONDS = 120.0
AT_ONCE = "AllAtOnce"
"""The value of the parameter Deployment that needs no CodeDeploy."""

_RESERVED = "ReservedConcurrentExecutions"
_FUNCTION = "AWS::Lambda::Function"
_NOTHING = {"Ref": "AWS::NoValue"}
_UNDER_WAY = {
    "CREATE_IN_PROGRESS",
    "ROLLBACK_IN_PROGRESS",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}

_PRINT_ROUTES = """
import sys
from tailrace.definition.pipeline import load_pipeline
from tailrace.definition.route_names import routes_parameter
print("\\n" + routes_parameter(route.name for route in load_pipeline(sys.argv[1]).routes))
"""
_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]


def deploy(endpoint: str, built: Path, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy the build in the folder `built` to the emulator at `endpoint`: create the stack, or update it.

    `parameters` are template parameters; Emulated, Architecture and Routes are added. Returns the stack's outputs.
    Raises SetupMissing and DeployFailed; a failed update has been rolled back.
    """
    if parameters.get("Deployment", AT_ONCE) != AT_ONCE:
        raise DeployFailed(f"The emulator has no CodeDeploy to shift requests: leave out Deployment, or use {AT_ONCE}.")
    if parameters.get("SnapStart", "Disabled") != "Disabled":
        raise DeployFailed("The emulator starts no process from a snapshot: leave out SnapStart, or use Disabled.")
    cloudformation = client("cloudformation", endpoint)
    prepare(endpoint, built)
    routes = parameters.get("Routes") or routes_of(built, parameters.get("Pipeline") or pipeline_reference())
    chosen = {**with_architecture(parameters), "Emulated": "true", "Routes": routes}
    request = {
        "StackName": STACK_NAME,
        "TemplateURL": f"{endpoint}/{ARTIFACTS_BUCKET}/{PACKAGED_TEMPLATE}",
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in chosen.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        if is_deployed(cloudformation):
            present = _outputs(cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0])
            require_no_leftovers(client("sqs", endpoint), STACK_NAME, routes, present)
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeployFailed(f"The emulator rejected the stack: {error}") from error
        outputs = _outputs(cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0])
    else:
        outputs = _outputs_when_complete(cloudformation)
    apply_left_out(endpoint, chosen)
    leave_to_pollers(endpoint)
    return outputs


def leave_to_pollers(endpoint: str) -> None:
    """Keep the emulator from serving the mappings that are polled here: their functions would get each record twice.

    A mapping of the user may lack `Enabled: !If [IsEmulated, false, true]`, or come from a function's `Events`.
    """
    functions = client("lambda", endpoint)
    for mapping in event_source_mappings(functions):
        if is_polled(mapping):
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def event_source_mappings(functions: Any) -> list[dict[str, Any]]:
    """All mappings of the emulator, which lists a hundred at a time."""
    pages = functions.get_paginator("list_event_source_mappings").paginate()
    return [mapping for page in pages for mapping in page["EventSourceMappings"]]


def is_polled(mapping: Mapping[str, Any]) -> bool:
    """Whether the local pollers serve a mapping: one of a DynamoDB stream, or of a queue."""
    return mapping.get("EventSourceArn", "").split(":")[2:3] in (["dynamodb"], ["sqs"])


def apply_left_out(endpoint: str, parameters: Mapping[str, str]) -> None:
    """Apply the properties of functions that the emulator's CloudFormation leaves out.

    These are RecursiveLoop and ReservedConcurrentExecutions. The template that CloudFormation processed is the deployed
    one, and has the functions of loops and what `Globals` gives them.
    """
    cloudformation, functions = client("cloudformation", endpoint), client("lambda", endpoint)
    deployed = cloudformation.get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
    defaults = {name: str(known.get("Default", "")) for name, known in deployed.get("Parameters", {}).items()}
    intrinsics = Intrinsics(deployed, defaults | dict(parameters))
    described = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in described}
    for logical_id, resource in deployed["Resources"].items():
        if logical_id not in names or resource.get("Type") != _FUNCTION:  # its Condition may not hold
            continue
        name, properties = names[logical_id], resource.get("Properties", {})
        with suppress(UnresolvableError):  # of a function of the user's
            loop = intrinsics.resolve(properties.get("RecursiveLoop", _NOTHING))
            if loop is not NO_VALUE:
                functions.put_function_recursion_config(FunctionName=name, RecursiveLoop=str(loop))
        with suppress(UnresolvableError):
            reserved = intrinsics.resolve(properties.get(_RESERVED, _NOTHING))
            if reserved is not NO_VALUE:
                functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(str(reserved)))
            else:  # an earlier deployment may have reserved some
                functions.delete_function_concurrency(FunctionName=name)


def routes_of(built: Path, reference: str) -> str:
    """Return the value of the parameter Routes for the definition `reference` in a build.

    It is imported in a process of its own: this one may have imported the definition as it was before it was saved.
    Raises DeployFailed if it cannot be imported.
    """
    ended = subprocess.run(
        [sys.executable, "-c", _PRINT_ROUTES, reference],
        env=clean_environment(PYTHONPATH=str(built / "layers" / LAYER / "python"), PYTHONDONTWRITEBYTECODE="1"),
        cwd=built,
        capture_output=True,
        text=True,
        check=False,
    )
    last = (ended.stderr if ended.returncode else ended.stdout).strip().splitlines()[-1:]
    if ended.returncode:
        raise DeployFailed(f"The definition cannot be imported: {' '.join(last)}")
    return last[0]


def require_no_leftovers(sqs: Any, stack: str, routes: str, outputs: Mapping[str, str]) -> None:
    """Raise DeployFailed if the queue of a new route exists and holds messages, which the emulator would delete.

    The queue of a removed route is kept. CloudFormation refuses to create one of the same name, whatever it holds.
    """
    for route in routes.split(","):
        for suffix in () if f"{route}Queue" in outputs else ("", "-dead"):
            name = f"{stack}_{route}{suffix}"
            for url in sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", ()):
                held = _message_count(sqs, url) if url.endswith(f"/{name}") else 0
                if held:
                    messages = "1 message" if held == 1 else f"{held} messages"
                    raise DeployFailed(
                        f"The queue {name} still holds {messages} of an earlier route {route}: read them, or delete "
                        f"the queue {url}, then save the definition again."
                    )


def _message_count(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
    return sum(int(found.get(name, 0)) for name in _COUNTS)


def prepare(endpoint: str, built: Path) -> None:
    """Upload what `deploy` needs and the artifacts bucket lacks."""
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    wanted = {path.name: path for path in package(s3, endpoint, built).iterdir()}
    present = set(artifact_keys(s3))
    for name in (wanted.keys() - present) | {PACKAGED_TEMPLATE}:
        s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=name, Body=wanted[name].read_bytes())


def is_deployed(cloudformation: Any) -> bool:
    """Whether the stack exists."""
    try:
        return bool(cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"])
    except ClientError:
        return False


def _outputs_when_complete(cloudformation: Any) -> dict[str, str]:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        if stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return _outputs(stack)
        if stack["StackStatus"] not in _UNDER_WAY:
            break
        time.sleep(0.05)
    else:
        status = stack["StackStatus"]
        raise DeployFailed(f"The deployment did not end in {DEPLOY_SECONDS:.0f} s ({status}): start the stack again.")
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK_NAME)
    events = (event for page in pages for event in page["StackEvents"])  # the latest first
    reasons = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in takewhile(lambda event: not _is_beginning(event), events)
        if event["ResourceStatus"].endswith("FAILED")
    ]
    raise DeployFailed(f"Stack deployment failed ({stack['StackStatus']}). {'; '.join(reasons)}")


def _is_beginning(event: Mapping[str, Any]) -> bool:
    return event["LogicalResourceId"] == STACK_NAME and event["ResourceStatus"] in (
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
    )


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def client(service: str, endpoint: str) -> Any:
    """A boto3 client for the emulator that ignores the caller's AWS configuration and proxies."""
    return _session().client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's
        config=Config(proxies={}, max_pool_connections=32, parameter_validation=False, retries={"mode": "standard"}),
    )


@cache
def _session() -> Any:
    """A session that reads neither variables nor files: a profile may be missing, or change addresses."""
    ignored = {name: (None, None, *rest) for name, (_, _, *rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=ignored | files))
