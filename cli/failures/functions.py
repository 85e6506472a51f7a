"""Calls to the stack's functions, which an operator makes in place of the event source."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

TIMEOUT_S = 915.0
"""The longest that a function of the stack runs, and a little."""


MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading the record of a failed call raises, if it is not Lambda's: whoever may write there can send anything."""


class FunctionFailed(Exception):
    """A function raised an error or timed out; the message is its own."""


class Functions(Struct, frozen=True):
    """The functions of a stack, by their names ``<stack>-<stage>``; the client must not retry."""

    client: Any
    stack: str

    def stage_of(self, arn: object) -> str | None:
        """Return the stage of a function's ARN, which may have a version; None if it belongs to another stack."""
        parts = arn.split(":") if isinstance(arn, str) else []
        name = parts[6] if len(parts) > 6 else ""  # noqa: PLR2004 - arn:aws:lambda:region:account:function:name
        prefix = f"{self.stack}-"
        return name.removeprefix(prefix) if name.startswith(prefix) else None

    def invoke(self, stage: str, event: Mapping[str, Any] | str) -> Any:
        """Call a function and return its response.

        Raises:
            FunctionFailed: the function raised an error or timed out.
        """
        payload = event.encode() if isinstance(event, str) else compact_json(event)
        response = self.client.invoke(FunctionName=f"{self.stack}-{stage}", Payload=payload)
        result = json.loads(response["Payload"].read() or b"null")
        if "FunctionError" in response:
            details = result if isinstance(result, dict) else {}
            text = f"{details.get('errorType', 'error')}: {details.get('errorMessage', '')}"
            raise FunctionFailed(text.strip()[:300])
        return result


def compact_json(value: Any) -> bytes:
    """Return a value as JSON that is no longer than the text that it was parsed from.

    A discarded batch may have the 6 MB that an invocation can have: spaces, or escapes of letters that are not ASCII,
    would make it too long to be delivered again.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # UTF-8 has no unpaired surrogates, which JSON can escape
        return json.dumps(value, separators=(",", ":")).encode()
