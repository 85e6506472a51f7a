"""The custom resources of the template: the first control rows, and the checks of routes and of an existing table.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tailrace.aws.custom_resources.first_control_rows import (
    see_attachment,
    see_stack,
    write_first_control_rows,
)
from tailrace.aws.custom_resources.table_check import DENIED, PAUSES_S, check_attached
from tailrace.aws.jobs.assembly import job_context
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.errors import has_code, map_aws_errors
from tailrace.aws.runtime.settings import HistorySettings
from tailrace.aws.runtime.telemetry import logger
from tailrace.definition.failures import FAILURES
from tailrace.definition.pipeline import load_pipeline
from tailrace.definition.route_names import disagreement
from tailrace.errors import DefinitionError, InvalidMessage, Permanent, TailraceError

_TIMEOUT_S = 20
_MAX_REASON_BYTES = 3000
"""An answer may have 4 KB, as JSON: what is escaped in it counts as it is sent."""

_CUT = " …"


def serve(event: Mapping[str, Any], settings: HistorySettings) -> None:
    """Do what CloudFormation asks for, and report the result."""
    answer_cloudformation(event, lambda: _work(event, settings))


def _work(event: Mapping[str, Any], settings: HistorySettings) -> str:
    match event["ResourceType"]:
        case "Custom::ControlRows":
            tables = (settings.items_table, settings.aggregates_table, settings.progress_table)
            context = job_context(settings)
            return _once_allowed(lambda: _control(context, tables, event, is_attached=settings.has_foreign_table))
        case "Custom::TableCheck":
            if _is_rolling_back(event):
                return "not checked: the stack is being rolled back"
            pipeline = load_pipeline(settings.tailrace_pipeline)
            result = check_attached(
                pipeline, event["ResourceProperties"], client("dynamodb"), client("dynamodbstreams")
            )
            logger().info(result)
            return result
        case "Custom::RouteCheck":
            return check_routes(settings, event["ResourceProperties"]["Routes"])
    raise InvalidMessage(f"there is no resource {event['ResourceType']}")


def _control(context: JobContext, tables: Sequence[str], event: Mapping[str, Any], *, is_attached: bool) -> str:
    done = write_first_control_rows(context, tables, is_attached=is_attached, stack=event["StackId"])
    see_stack(context, event)
    see_attachment(context.control, event)
    return done


def _once_allowed(work: Callable[[], str]) -> str:
    """Do the work again if it is denied: the right to a key (KmsKeyArn) was granted just before."""
    for pause_s in PAUSES_S:
        try:
            return work()
        except Permanent as error:
            if not isinstance(error.__cause__, ClientError) or not has_code(error.__cause__, *DENIED):
                raise
        time.sleep(pause_s)
    return work()


def _is_rolling_back(event: Mapping[str, Any]) -> bool:
    """Tell whether an update has failed, and CloudFormation goes back to the properties before it."""
    if event["RequestType"] != "Update":
        return False
    try:
        with map_aws_errors():
            (stack,) = client("cloudformation").describe_stacks(StackName=event["StackId"])["Stacks"]
    except TailraceError:
        logger().exception("the stack's status is unknown")
        return False
    return "ROLLBACK" in stack["StackStatus"]


def check_routes(settings: HistorySettings, parameter: str) -> str:
    """Compare the definition's routes with the template's parameter.

    Raises:
        DefinitionError: they differ, or the definition cannot be loaded.
    """
    pipeline = load_pipeline(settings.tailrace_pipeline)
    if found := disagreement([route.name for route in pipeline.routes], parameter):
        raise DefinitionError(found)
    return "agreed"


def answer_cloudformation(event: Mapping[str, Any], work: Callable[[], str]) -> None:
    """Do the work of a custom resource, unless it is deleted, and report the result to CloudFormation.

    Without an answer CloudFormation would wait for a quarter of an hour, so whatever the work raises becomes one.
    """
    body = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        if event["RequestType"] != "Delete":
            body["Reason"] = _fitting(work())
    except FAILURES as error:  # the definition may raise anything when it is imported
        body |= {"Status": "FAILED", "Reason": _fitting(f"{type(error).__name__}: {error}")}
    content = json.dumps(body, ensure_ascii=False).encode()
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's address, from its own event
        event["ResponseURL"], content, {"Content-Type": "", "Content-Length": str(len(content))}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
        pass


def _fitting(reason: str) -> str:
    """Return a reason that leaves room for the rest of the answer; where it is cut, one can see it."""
    text = reason.encode(errors="replace").decode()
    if _sent_bytes(text) <= _MAX_REASON_BYTES:
        return text
    left = _MAX_REASON_BYTES - _sent_bytes(_CUT)
    for position, character in enumerate(text):
        left -= _sent_bytes(character)
        if left < 0:
            return text[:position] + _CUT
    return text


def _sent_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - len('""')
