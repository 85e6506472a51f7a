"""Batching windows and payload sizes, the same for streams and queues (invocation-eventsourcemapping)."""

import json
import math

FRAME_BYTES = len('{"Records":[]}')


def json_size(value: object) -> int:
    """The length of a value's JSON in bytes of UTF-8, in which half of a surrogate pair is an escape sequence."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace"))


def batching_deadline(began: float, oldest: float, length_s: float) -> float:
    """When to send a batch that is not full: the end of the batching window in which its oldest record arrived.

    The first window began at `began`. A window that ends without records is followed by the next one at once.
    """
    if length_s == 0:
        return -math.inf
    waited = max(0.0, oldest - began)
    return began + length_s * (math.floor(waited / length_s) + 1)
