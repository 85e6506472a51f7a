"""JSON that preserves everything DynamoDB can store: every digit of a number, sets and binary values."""

import base64
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import simplejson

from tailrace.encoding.numbers import EXACT, canonical_number, parse_number
from tailrace.encoding.text import decode_utf8
from tailrace.errors import InvalidMessage

_SET, _BYTES, _MAP = "~set", "~bytes", "~map"
_MAX_NAME_SHOWN = 60


def dumps(value: Any) -> str:
    """Serialize a value as compact JSON; the inverse of :func:`loads`.

    JSON has no sets and no binary values: a set becomes ``{"~set": [members, sorted]}``, bytes become
    ``{"~bytes": base64}``, and a map that could be mistaken for one of these is wrapped as ``{"~map": {…}}``.
    """
    text: str = simplejson.dumps(_tagged(value), use_decimal=True, ensure_ascii=False, separators=(",", ":"))
    # SQS accepts only the characters of XML 1.0; JSON has already escaped all others but these two
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def canonical_json(value: Any) -> str:
    """Serialize a value so that equal values give equal text: sorted names, one spelling for each number."""
    text: str = simplejson.dumps(_tagged(_canonical(value)), use_decimal=True, sort_keys=True, separators=(",", ":"))
    return text


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return {_canonical(inner) for inner in value}
    return value.normalize(EXACT) if isinstance(value, Decimal) else value


def loads(text: str | bytes) -> Any:
    """Parse JSON into the engine's values: integral numbers as int, others as Decimal.

    A byte order mark at the beginning is skipped.

    Raises:
        InvalidMessage: the text is not JSON or not UTF-8, is nested too deeply, contains a number that is not finite,
            or an object with a name twice, of which every reader would see another value.
    """
    try:
        if isinstance(text, bytes):
            text = decode_utf8(text)  # strict: json.loads would let unpaired surrogates through
        text = text.removeprefix("\ufeff")
        parsed = json.loads(text, parse_float=parse_number, parse_constant=_refuse, object_pairs_hook=unique_members)
        _refuse_unpaired_surrogates(text, parsed)
        return _untagged(parsed)
    except RecursionError:
        raise InvalidMessage("JSON nested too deeply") from None
    except ValueError as error:  # also JSONDecodeError, UnicodeDecodeError, and integers over Python's digit limit
        raise InvalidMessage(f"not JSON: {error}") from error


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object, as ``object_pairs_hook`` of :func:`json.loads`.

    Raises:
        InvalidMessage: a name occurs twice.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        times = Counter(name for name, _ in pairs)
        shown = next(name for name in times if times[name] > 1)[:_MAX_NAME_SHOWN]
        raise InvalidMessage(f"the name {json.dumps(shown)} occurs more than once in an object")
    return members


def _refuse(constant: str) -> Any:
    raise InvalidMessage(f"not JSON: {constant}")


def _refuse_unpaired_surrogates(text: str, parsed: Any) -> None:
    # JSON can escape an unpaired surrogate ("\\ud800"), which no table, queue or UTF-8 file can store
    if "\\u" in text:
        simplejson.dumps(parsed, use_decimal=True, ensure_ascii=False).encode()


def _tagged(value: Any) -> Any:
    if isinstance(value, dict):
        tagged = {key: _tagged(inner) for key, inner in value.items()}
        return {_MAP: tagged} if tagged.keys() & {_SET, _BYTES, _MAP} and len(tagged) == 1 else tagged
    if isinstance(value, list | tuple):
        return [_tagged(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return {_SET: sorted((_tagged(inner) for inner in value), key=repr)}
    if isinstance(value, bytes | bytearray):
        return {_BYTES: base64.b64encode(value).decode()}
    return canonical_number(value) if isinstance(value, Decimal) else value


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == _MAP and isinstance(inner, dict):
            return {name: _untagged(part) for name, part in inner.items()}
        if key == _SET and isinstance(inner, list):
            return _untagged_set(inner)
        if key == _BYTES and isinstance(inner, str):
            return base64.b64decode(inner, validate=True)
    return {name: _untagged(part) for name, part in value.items()}


def _untagged_set(inner: list[Any]) -> set[Any]:
    try:
        return {_untagged(part) for part in inner}
    except TypeError:  # lists and maps are not hashable
        raise InvalidMessage("a set may contain only strings, numbers and binary values") from None
