"""What DynamoDB cannot hold, told before it is asked.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tailrace.errors import InvalidItem, Violation
from tailrace.keys import MOST_PARTITION_KEY_BYTES
from tailrace.values import LARGEST_EXPONENT, MOST_DIGITS, SMALLEST_EXPONENT, digits

MOST_ITEM_BYTES = 400 * 1024
MOST_DEPTH = 32
_CONTAINER_BYTES = 3
_ELEMENT_BYTES = 1


def check(pk: str, item: Mapping[str, Any]) -> None:
    """Refuse an item (fields only) that the table could not hold under this key.

    Raises:
        InvalidItem: it is too large or too deep, a number is too long, or a name or value has no form in DynamoDB.
    """
    violations = list(_violations("", dict(item), 0))
    if len(pk.encode(errors="surrogatepass")) > MOST_PARTITION_KEY_BYTES:
        violations.append(Violation("", "key", f"the key is longer than {MOST_PARTITION_KEY_BYTES} bytes"))
    if not violations:
        size = _bytes(dict(item)) + len("pk") + len(pk.encode())
        if size > MOST_ITEM_BYTES:
            violations.append(Violation("", "size", f"the item has {size} bytes; the table holds {MOST_ITEM_BYTES}"))
    if violations:
        raise InvalidItem(violations)


def _violations(pointer: str, value: Any, depth: int) -> Iterator[Violation]:  # noqa: C901, PLR0912 - one case a type
    if depth > MOST_DEPTH:
        yield Violation(pointer, "depth", f"nested more than {MOST_DEPTH} levels deep")
    elif isinstance(value, dict):
        for name, inner in value.items():
            place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if not name and not pointer:
                yield Violation(place, "name", "a field cannot have an empty name")
            elif not pointer and name in ("pk", "expires_at"):
                yield Violation(place, "name", f"{name} is not a field of an item: it is part of the table's row")
            else:
                yield from _violations(place, inner, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _violations(f"{pointer}/{index}", inner, depth + 1)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield from _number_violations(pointer, value)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            yield Violation(pointer, "text", "half a character (an unpaired surrogate)")
    elif isinstance(value, set | frozenset):
        if not value or len({_kind(member) for member in value}) > 1:
            yield Violation(pointer, "set", "a set holds at least one member, all of one kind")
    elif value is not None and not isinstance(value, bool | bytes | bytearray):
        yield Violation(pointer, "type", f"DynamoDB has no type for a {type(value).__name__}")


def _number_violations(pointer: str, value: int | Decimal) -> Iterator[Violation]:
    if digits(value) > MOST_DIGITS:
        yield Violation(pointer, "digits", f"a number of {digits(value)} digits; the table holds {MOST_DIGITS}")
    exponent = Decimal(value).adjusted()
    if value and not SMALLEST_EXPONENT <= exponent <= LARGEST_EXPONENT:
        yield Violation(pointer, "range", "the number is outside 1E-130 to 9.99E+125")


def _kind(member: Any) -> str:
    return "number" if isinstance(member, int | Decimal) else type(member).__name__


def _bytes(value: Any) -> int:
    """Return the size of a value as DynamoDB counts it, rounded up where its rule leaves room."""
    if isinstance(value, dict):
        inner = sum(len(name.encode()) + _bytes(part) + _ELEMENT_BYTES for name, part in value.items())
        return _CONTAINER_BYTES + inner
    if isinstance(value, list):
        return _CONTAINER_BYTES + sum(_bytes(part) + _ELEMENT_BYTES for part in value)
    if isinstance(value, set | frozenset):
        return sum(_bytes(part) for part in value)
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes | bytearray):
        return len(value)
    if value is None or isinstance(value, bool):
        return 1
    return digits(value) // 2 + 3
