"""Ids of items whose keys have fields: from the fields to the id and back.

The id consists of the values of the key's fields, in the order of the templates, joined with ``/``. In each of several
values, ``~`` and ``/`` are written ``~0`` and ``~1``. A number is written in decimals without an exponent, binary in
base64 for URLs without padding. So each key has one id, and each id one key. Its length is limited by that of the key
only: 2,048 bytes in the partition key, 1,024 in the sort key.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from tailrace.encoding.json_types import Item
from tailrace.encoding.key_templates import Kind
from tailrace.encoding.keys import MAX_KEY_ID_CHARACTERS
from tailrace.encoding.numbers import Number, is_representable, parse_number
from tailrace.errors import InvalidMessage


def fields_of_id(item_id: str, kinds: Mapping[str, Kind]) -> Item:
    """Return the fields in an id; ``kinds`` are the names and types of the key's fields.

    Raises:
        InvalidMessage: it is not an id of such a key.
    """
    if not 1 <= len(item_id) <= MAX_KEY_ID_CHARACTERS:
        raise InvalidMessage("the id is empty" if not item_id else "the id is longer than any key that DynamoDB stores")
    texts = [item_id] if len(kinds) == 1 else [_unescaped(text) for text in item_id.split("/")]
    if len(texts) != len(kinds):
        shape = "/".join(f"<{name}>" for name in kinds)
        raise InvalidMessage(f"the id has the form {shape}; '~1' stands for '/' in a value")
    return {name: _value(name, kind, text) for (name, kind), text in zip(kinds.items(), texts, strict=True)}


def id_of(fields: Mapping[str, Any]) -> str:
    """Return the id that the fields of a key make."""
    texts = [text_of(value) for value in fields.values()]
    return texts[0] if len(texts) == 1 else "/".join(map(escaped, texts))


def escaped(text: str) -> str:
    """Return one of several values as ids write it."""
    return text.replace("~", "~0").replace("/", "~1")


def text_of(value: Any) -> str:
    """Return the value of a field in a key as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    return _decimals(value)


def _decimals(value: Number) -> str:
    return str(value) if isinstance(value, int) else format(value, "f").rstrip("0")


def _unescaped(text: str) -> str:
    found = text.replace("~1", "/").replace("~0", "~")
    if escaped(found) != text:
        raise InvalidMessage("in an id of several values, '~' is written '~0', and '/' within a value '~1'")
    return found


def _value(name: str, kind: Kind, text: str) -> Any:
    if kind == "text":
        return text
    if kind == "number":
        number = parse_number(text)
        if not is_representable(number) or _decimals(number) != text:
            raise InvalidMessage(f"{name!r} in the id must be a decimal number without an exponent")
        return number
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if not value or text_of(value) != text:
        raise InvalidMessage(f"the id's {name!r} is not URL-safe base64 without padding")
    return value
