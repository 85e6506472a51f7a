"""Create or update the stack on the emulator: upload a build's artifacts and call CloudFormation.

`sam deploy` would do the same, but with four seconds of processor time.
"""

import time
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.deployment.build import ARTIFACTS_BUCKET, package, with_architecture
from local.deployment.derived_build import PACKAGED_TEMPLATE
from local.deployment.emulator import REGION
from local.deployment.template import template
from local.errors import DeployFailed

STACK_NAME = "tailrace"
DEPLOY_SECONDS = 120.0
_UNDER_WAY = {
    "CREATE_IN_PROGRESS",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
}


def deploy(endpoint: str, built: Path, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy the build in the folder `built` to the emulator at `endpoint`: create the stack, or update it.

    `parameters` are template parameters; Emulated and Architecture are added. Returns the stack's outputs. Raises
    SetupMissing and DeployFailed; a failed update has been rolled back.
    """
    cloudformation = client("cloudformation", endpoint)
    prepare(endpoint, built)
    chosen = {**with_architecture(parameters), "Emulated": "true"}
    request = {
        "StackName": STACK_NAME,
        "TemplateURL": f"{endpoint}/{ARTIFACTS_BUCKET}/{PACKAGED_TEMPLATE}",
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in chosen.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        if is_deployed(cloudformation):
            cloudformation.update_stack(**request)
        else:
            cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return _outputs(cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0])
        raise DeployFailed(f"The emulator rejected the stack: {error}") from error
    outputs = _outputs_when_complete(cloudformation)
    allow_recursion(endpoint)
    return outputs


def allow_recursion(endpoint: str) -> None:
    """Apply the property RecursiveLoop of functions, which the emulator's CloudFormation leaves out."""
    cloudformation, functions = client("cloudformation", endpoint), client("lambda", endpoint)
    for logical_id, resource in template()["Resources"].items():
        setting = resource.get("Properties", {}).get("RecursiveLoop") if "Fn::ForEach" not in logical_id else None
        if setting is not None:
            found = cloudformation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=logical_id)
            name = found["StackResourceDetail"]["PhysicalResourceId"]
            functions.put_function_recursion_config(FunctionName=name, RecursiveLoop=setting)


def prepare(endpoint: str, built: Path) -> None:
    """Upload what `deploy` needs and the artifacts bucket lacks."""
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    wanted = {path.name: path for path in package(s3, endpoint, built).iterdir()}
    present = {entry["Key"] for entry in s3.list_objects_v2(Bucket=ARTIFACTS_BUCKET).get("Contents", [])}
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
    events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]  # the latest first
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
    untyped: Any = boto3  # its overloads require a literal service name
    return untyped.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's
        config=Config(proxies={}, max_pool_connections=32, parameter_validation=False, retries={"mode": "standard"}),
    )
