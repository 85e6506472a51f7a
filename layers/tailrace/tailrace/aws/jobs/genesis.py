"""The first control rows of a stack, written by CloudFormation when it creates them, before the stream is read.

A stack whose tables are empty has never counted anything, so its generations are exact from the stream's beginning. In
a stack that is older than control rows, nothing is known of the rows that it has: its generations are adopted.
"""

import json
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.jobs.workshop import Workshop
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.backfill.generations import adopted, created
from tailrace.errors import TailraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TIMEOUT_S = 20


def write_first_control_rows(shop: Workshop, tables: "Sequence[str]") -> str:
    """Write the control rows if there are none, and return what was done; ``tables`` must be empty in a new stack.

    Raises:
        Transient: a table cannot be used now.
        Permanent: a table rejects the request.
        DefinitionError: the source of a function of the definition cannot be read.
    """
    if shop.control.read().exists:
        return "kept"
    is_new = not any(_has_items(shop, table) for table in tables)
    make = created if is_new else adopted
    rows = [make(name, version, meaning) for (name, version), meaning in fingerprints(shop.pipeline).items()]
    if shop.control.create(rows, since_creation=is_new) and not is_new:
        shop.progress.accept_counts()
    return "created" if is_new else "adopted"


def _has_items(shop: Workshop, table: str) -> bool:
    with map_aws_errors():
        return bool(shop.dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True)["Items"])


def answer_cloudformation(event: Mapping[str, Any], work: "Callable[[], str]") -> None:
    """Do the work of a custom resource when it is created, and tell CloudFormation how it went.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
    """
    body = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "control-rows"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        if event["RequestType"] == "Create":
            body["Reason"] = work()
    except TailraceError as error:
        body |= {"Status": "FAILED", "Reason": str(error)}
    content = json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's address, from its own event
        event["ResponseURL"], content, {"Content-Type": "", "Content-Length": str(len(content))}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
        pass
