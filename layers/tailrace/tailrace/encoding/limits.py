"""DynamoDB's item limits, checked before a write so that every violation is reported.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from msgspec.structs import replace

from tailrace.encoding.dynamodb import INVALID_SET, reserved_attributes
from tailrace.encoding.keys import MAX_BYTES_PER_CHARACTER, MAX_PARTITION_KEY_BYTES
from tailrace.encoding.numbers import (
    MAX_DIGITS,
    MAX_EXPONENT,
    MIN_EXPONENT,
    UNPAIRED_SURROGATE,
    is_encodable,
    is_representable,
    significant_digits,
)
from tailrace.encoding.text import json_pointer, shortened
from tailrace.errors import InvalidItem, Violation

MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 32
MAX_NAME_BYTES = 65_535
_CONTAINER_BYTES = 3
_ELEMENT_BYTES = 1
_MAX_REPORTED_NAME = 256
_MAX_REPORTED = 10_000
"""Each violation has a pointer of its own: a report of one for each value of a large item could fill the memory."""

_MAX_NUMBER_BYTES = 24  # with what its member adds
_SAFE_INTEGER = 10**MAX_DIGITS
_RESERVED = reserved_attributes(["pk"], "expires_at")


def check_item(
    pk: str,
    item: Mapping[str, Any],
    reserved: Mapping[str, str] = _RESERVED,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Reject an item (fields only) that DynamoDB could not store under this key.

    ``reserved`` are the names that are not fields of the table's items, each with what it is. ``beside`` are all other
    attributes of the row, which count towards its size; by default, that is ``pk``.

    Raises:
        InvalidItem: the item is too large or nested too deeply, a number is out of range, or a name or value cannot be
            represented in DynamoDB. It lists every violation, but only the first if there are more than 10,000.
    """
    if _is_plain(pk, item, reserved):
        return
    if _least_size(item) > MAX_ITEM_BYTES:  # a full check of millions of values would take longer than a request has
        raise InvalidItem([Violation("", "size", f"item size exceeds the limit of {MAX_ITEM_BYTES}")])
    found = chain(_key_violations(pk), _field_violations(item, reserved))
    violations = [replace(one, pointer=shortened(one.pointer)) for one in islice(found, _MAX_REPORTED + 1)]
    if len(violations) > _MAX_REPORTED:
        raise InvalidItem(violations[:1])
    if not violations:
        size = item_bytes(pk, item) if beside is None else _size(dict(item)) + _size(dict(beside))
        if size > MAX_ITEM_BYTES:
            violations.append(Violation("", "size", f"item size {size} bytes exceeds the limit of {MAX_ITEM_BYTES}"))
    if violations:
        raise InvalidItem(violations)


def _least_size(item: Mapping[str, Any]) -> int:
    """Return what an item's containers and their elements take at least; no more is counted once that is too much."""
    size = 0
    level: list[Any] = [item]
    while level and size <= MAX_ITEM_BYTES:
        size += sum(_CONTAINER_BYTES + _ELEMENT_BYTES * len(one) for one in level)
        members = chain.from_iterable(one.values() if isinstance(one, Mapping) else one for one in level)
        level = [] if size > MAX_ITEM_BYTES else [inner for inner in members if isinstance(inner, dict | list)]
    return size


def item_bytes(pk: str, item: Mapping[str, Any]) -> int:
    """Return the size of an item as DynamoDB counts it, with its key."""
    return _size(dict(item)) + len("pk") + len(pk.encode())


def _is_plain(pk: str, item: Mapping[str, Any], reserved: Mapping[str, str] = _RESERVED) -> bool:
    """Tell that DynamoDB can store an item; recognizes most items, in a tenth of the time of a full check."""
    texts = [pk, *item]
    for value in item.values():
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is int:
            if not -_SAFE_INTEGER < value < _SAFE_INTEGER:
                return False
        elif kind is Decimal:
            if not value.is_finite() or not is_representable(value):
                return False
        elif value is not None and kind is not bool:
            return False
    if "" in item or not item.keys().isdisjoint(reserved):
        return False
    try:
        size = len("".join(texts).encode())
    except (TypeError, UnicodeEncodeError):
        return False
    return (
        size + _MAX_NUMBER_BYTES * len(item) <= MAX_NAME_BYTES
        and len(pk) * MAX_BYTES_PER_CHARACTER <= MAX_PARTITION_KEY_BYTES
    )


def _key_violations(pk: str) -> Iterator[Violation]:
    if len(pk.encode(errors="surrogatepass")) > MAX_PARTITION_KEY_BYTES:
        yield Violation("", "key", f"the key is longer than {MAX_PARTITION_KEY_BYTES} bytes")
    if not is_encodable(pk):
        yield Violation("", "key", f"the key contains {UNPAIRED_SURROGATE}")


def _field_violations(item: Mapping[str, Any], reserved: Mapping[str, str] = _RESERVED) -> Iterator[Violation]:
    yield from reserved_violations(item, reserved)
    yield from _map_violations("", item, 0)


def reserved_violations(names: Iterable[str], reserved: Mapping[str, str]) -> Iterator[Violation]:
    """Yield a violation for each name that is not a field of a table's items."""
    for name in sorted(reserved.keys() & set(names)):
        yield Violation(json_pointer(name), "name", f"{name!r} is {reserved[name]}, not a field: rename it")


def _violations(pointer: str, value: Any, depth: int) -> Iterator[Violation]:
    """Yield a value's violations; a field's own value is at depth 1, its members one deeper."""
    match value:
        case dict() | list() if depth >= MAX_DEPTH:
            yield Violation(pointer, "depth", f"nested more than {MAX_DEPTH} levels deep")
        case dict():
            yield from _map_violations(pointer, value, depth)
        case list():
            for index, inner in enumerate(value):
                yield from _violations(f"{pointer}/{index}", inner, depth + 1)
        case set() | frozenset():
            yield from _set_violations(pointer, value)
        case bool() | None | bytes() | bytearray():
            pass
        case int() | Decimal():
            yield from _number_violations(pointer, value)
        case str():
            if not is_encodable(value):
                yield Violation(pointer, "text", f"the string contains {UNPAIRED_SURROGATE}")
        case _:
            yield Violation(pointer, "type", f"DynamoDB has no type for a {type(value).__name__}")


def _map_violations(pointer: str, members: Mapping[str, Any], depth: int) -> Iterator[Violation]:
    for name, inner in members.items():
        # escape unpaired surrogates, so that the report itself can be encoded
        printable = name.encode(errors="backslashreplace").decode()
        member_pointer = pointer + json_pointer(printable[:_MAX_REPORTED_NAME])
        if not name:
            yield Violation(member_pointer, "name", "the name is empty")
        elif not is_encodable(name):
            yield Violation(member_pointer, "name", f"the name contains {UNPAIRED_SURROGATE}")
        elif len(name.encode()) > MAX_NAME_BYTES:
            yield Violation(member_pointer, "name", f"the name is longer than {MAX_NAME_BYTES} bytes")
        yield from _violations(member_pointer, inner, depth + 1)


def _set_violations(pointer: str, members: AbstractSet[Any]) -> Iterator[Violation]:
    kinds = {_member_type(member) for member in members}
    if len(kinds) != 1 or None in kinds:
        yield Violation(pointer, "set", INVALID_SET)
    elif kinds != {"binary"}:
        for member in members:
            yield from _violations(pointer, member, 0)


def _number_violations(pointer: str, value: int | Decimal) -> Iterator[Violation]:
    if significant_digits(value) > MAX_DIGITS:
        text = f"the number has {significant_digits(value)} significant digits; the limit is {MAX_DIGITS}"
        yield Violation(pointer, "digits", text)
    exponent = Decimal(value).adjusted()
    if value and not MIN_EXPONENT <= exponent <= MAX_EXPONENT:
        yield Violation(pointer, "range", "the number's magnitude is outside 1E-130 to 9.9E+125")


def _member_type(member: Any) -> str | None:
    if isinstance(member, str):
        return "string"
    if isinstance(member, bytes | bytearray):
        return "binary"
    return "number" if isinstance(member, int | Decimal) and not isinstance(member, bool) else None


def _size(value: Any) -> int:
    """Return a value's size as DynamoDB counts it, rounded up where the documented rule is not exact."""
    if isinstance(value, dict):
        inner = sum(len(name.encode()) + _size(part) + _ELEMENT_BYTES for name, part in value.items())
        return _CONTAINER_BYTES + inner
    if isinstance(value, list):
        return _CONTAINER_BYTES + sum(_size(part) + _ELEMENT_BYTES for part in value)
    if isinstance(value, set | frozenset):
        return sum(_size(part) for part in value)
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes | bytearray):
        return len(value)
    if value is None or isinstance(value, bool):
        return 1
    return significant_digits(value) // 2 + 3
