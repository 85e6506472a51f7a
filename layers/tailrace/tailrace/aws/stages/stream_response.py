"""What a stream function answers its mapping."""

from collections.abc import Mapping
from typing import Any


def stream_response(
    event: Mapping[str, Any], checkpoint: int | None, state: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer to a batch of a stream: all done, or to be delivered again from ``checkpoint`` on.

    ``state`` goes to the window's next invocation. Without one, it goes back as it came, since a mapping with a
    tumbling window counts an answer without it as a failure:
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html. The identifier is the record's own text,
    since one that the mapping does not know makes it deliver the whole batch again:
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html.
    """
    failures = []
    if checkpoint is not None:
        numbers = (record["dynamodb"]["SequenceNumber"] for record in event["Records"])
        failures = [{"itemIdentifier": number} for number in numbers if int(number) == checkpoint][:1]
    return {"state": (event.get("state") or {}) if state is None else state, "batchItemFailures": failures}
