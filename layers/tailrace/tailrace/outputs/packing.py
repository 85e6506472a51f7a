"""Packing events into messages: as many per message as fit, and a claim check for events too large for one."""

import hashlib
from collections.abc import Sequence

from tailrace.encoding.text import utf8_size
from tailrace.outputs.envelopes import EventText
from tailrace.outputs.stored_object import StoredObject

MAX_MESSAGE_BYTES = 262_144
"""The largest message body sent. SQS bills per 64 KB, so larger messages would save nothing."""


def pack(texts: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Join JSON texts into JSON arrays of at most ``MAX_MESSAGE_BYTES``, in order.

    Returns the messages, each with the positions of its texts. Every text must fit into a message (:func:`fits`); use
    :func:`claim_check` for those that do not.
    """
    messages: list[tuple[str, list[int]]] = []
    current: list[int] = []
    size = 0
    for position, text in enumerate(texts):
        length = utf8_size(text)
        # plus two brackets, and a comma before each text but the first
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
    """Return whether an event fits into a message, on its own in an array."""
    return utf8_size(text) + 2 <= MAX_MESSAGE_BYTES


def claim_check(event: EventText, bucket: str) -> tuple[StoredObject, str]:
    """Move an event's data to an object: return that object, and the text of the event that refers to it.

    This is CloudEvents' ``dataref`` extension: the event has the URI of its data in place of ``data``.
    """
    body = event.data.encode()
    stored_object = StoredObject(f"oversize/{hashlib.sha256(body).hexdigest()}.json", body, "application/json")
    return stored_object, event.with_reference(f"s3://{bucket}/{stored_object.key}")
