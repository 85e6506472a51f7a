"""What schemathesis asks beside what it makes up: of each operation on items, requests that are carried out.

Items that are made up after a schema break rules that no schema tells, such as that a day has to be in the calendar:
by themselves they would show refusals and hardly an answer with an item.
"""

import json
import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

ITEMS = "TAILRACE_TEST_ITEMS"
"""The variable that holds one good item of each collection, as JSON."""

EXISTING_ID, NEW_ID = "there", "new"
"""The ids of an item that was put before, and of one that was not."""


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[Case[Any]]) -> None:
    """Add requests about the two ids: in the path, in the query, or in a batch."""
    operation: Any = context.operation
    _, root, *more = operation.path.split("/")
    if root != "collections":
        return
    method, item = operation.method.upper(), json.loads(os.environ[ITEMS])[more[0]]
    if method == "POST":
        entries = [{"id": NEW_ID, "item": item}, {"id": EXISTING_ID, "item": item, "expires_at": 4_000_000_000}]
        examples.append(_case(operation, body={"items": entries}))
        return
    for name in {"GET": [EXISTING_ID], "PUT": [EXISTING_ID, NEW_ID], "PATCH": [EXISTING_ID], "DELETE": [NEW_ID]}[
        method
    ]:
        place = "path_parameters" if "{id}" in more else "query"
        body = {"PUT": {"body": item}, "PATCH": {"body": {}}}.get(method, {})
        examples.append(_case(operation, **{place: {"id": name}}, **body))


def _case(operation: Any, **parts: Any) -> Case[Any]:
    case: Case[Any] = operation.Case(**parts, **({"media_type": "application/json"} if "body" in parts else {}))
    return case
