"""The custom resources of the template: the first control rows, and the check that every route has a queue.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from tailrace.aws.jobs.assembly import workshop
from tailrace.aws.jobs.attachment import see_attachment
from tailrace.aws.jobs.genesis import write_first_control_rows
from tailrace.aws.runtime.settings import HistorySettings
from tailrace.definition.pipeline import load_pipeline
from tailrace.definition.route_names import disagreement
from tailrace.errors import DefinitionError, InvalidMessage

_TIMEOUT_S = 20
_MAX_REASON = 1000
"""An answer may have 4 KB."""


def serve(event: Mapping[str, Any], settings: HistorySettings) -> None:
    """Do what CloudFormation asks for, and tell it how that went."""
    answer_cloudformation(event, lambda: _work(event, settings))


def _work(event: Mapping[str, Any], settings: HistorySettings) -> str:
    match event["ResourceType"]:
        case "Custom::ControlRows":
            tables = (settings.items_table, settings.aggregates_table, settings.progress_table)
            shop = workshop(settings)
            done = write_first_control_rows(shop, tables, is_attached=settings.has_foreign_table)
            see_attachment(shop.control, event)
            return done
        case "Custom::RouteCheck":
            return check_routes(settings, event["ResourceProperties"]["Routes"])
    raise InvalidMessage(f"there is no resource {event['ResourceType']}")


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
    """Do the work of a custom resource, unless it is deleted, and tell CloudFormation how it went.

    Without an answer CloudFormation would wait for an hour, so whatever the work raises becomes one.
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
            body["Reason"] = work()
    except Exception as error:  # noqa: BLE001 - the definition may raise anything when it is imported
        body |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"[:_MAX_REASON]}
    content = json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's address, from its own event
        event["ResponseURL"], content, {"Content-Type": "", "Content-Length": str(len(content))}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
        pass
