"""Events into messages: as many to a message as fit, and a claim check for what no message can hold."""

import hashlib
from collections.abc import Sequence

from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tailrace.outputs.stored_object import StoredObject

MAX_MESSAGE_BYTES = 262_144
"""The largest message body that is sent. SQS bills in units of 64 KB, so larger messages would save nothing."""


def pack(texts: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Join JSON texts into JSON arrays of at most ``MAX_MESSAGE_BYTES``, in order.

    Returns the messages, each with the positions of the texts that it holds. A single text must fit
    (:func:`fits`); see :func:`claim_check` for those that do not.
    """
    messages: list[tuple[str, list[int]]] = []
    current: list[int] = []
    size = 0
    for position, text in enumerate(texts):
        length = len(text.encode())
        # two brackets around the whole, a comma before each text but the first
        if current and size + length + len(current) + 2 > MAX_MESSAGE_BYTES:
            messages.append((_array(texts, current), current))
            current, size = [], 0
        current.append(position)
        size += length
    if current:
        messages.append((_array(texts, current), current))
    return messages


def _array(texts: Sequence[str], positions: Sequence[int]) -> str:
    return f"[{','.join(texts[position] for position in positions)}]"


def fits(text: str) -> bool:
    """Tell whether an event can travel in a message, alone in an array if need be."""
    return len(text.encode()) + 2 <= MAX_MESSAGE_BYTES


def claim_check(envelope: Json, bucket: str) -> tuple[StoredObject, str]:
    """Put an event's data aside: return the object to store, and the event's text that refers to it.

    CloudEvents' ``dataref`` extension: the event travels without ``data`` and names where it is.
    """
    body = dumps(envelope["data"]).encode()
    stored_object = StoredObject(f"oversize/{hashlib.sha256(body).hexdigest()}.json", body, "application/json")
    without_data = {name: value for name, value in envelope.items() if name != "data"}
    return stored_object, dumps(without_data | {"dataref": f"s3://{bucket}/{stored_object.key}"})
