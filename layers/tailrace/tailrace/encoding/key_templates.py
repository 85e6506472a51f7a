"""Key templates: the attributes of a table's key to fields and back, such as ``CUSTOMER#{customer}``.

A template of text consists of literal text and placeholders. A placeholder ``{name}`` stands for a text that is not
empty and contains none of the template's separators, which are the character after each placeholder, and the character
before it unless that is a letter, a digit, ``-``, ``_`` or ``.``. ``{name+}`` stands for any text that is not empty, up
to the first occurrence of the literal text that follows. ``{{`` and ``}}`` are braces. ``{name:number}`` and
``{name:binary}``, as a whole template, make the attribute a number or binary; so does a value that is not a text.

What parses formats back to itself, and what can be formatted parses to the same fields: anything else is not a match.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES
from tailrace.encoding.numbers import (
    UNPAIRED_SURROGATE,
    UNREPRESENTABLE,
    canonical_number,
    is_encodable,
    is_representable,
)
from tailrace.errors import InvalidMessage

type Kind = Literal["text", "number", "binary"]

_MAX_BYTES = (MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES)
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")
_PLACEHOLDER = re.compile(r"([^:+\s](?:[^:+]*[^:+\s])?)(\+)?(?::(text|number|binary))?")
_NO_SEPARATOR = re.compile(r"[\w.-]", re.ASCII)


class Placeholder(NamedTuple):
    """The place of a field; ``takes_separators`` is that of ``{name+}``."""

    name: str
    takes_separators: bool = False


type Part = str | Placeholder


class AttributeTemplate(Struct, frozen=True):
    """The template of one key attribute.

    Attributes:
        name: the attribute's name.
        kind: the attribute's type.
        parts: literal texts and placeholders in turn; for a number or binary, one placeholder or none.
        constant: the value of a number or binary without a placeholder.
        separators: what no plain placeholder contains.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    constant: Any
    separators: frozenset[str]
    pattern: re.Pattern[str]

    @property
    def placeholders(self) -> list[Placeholder]:
        """The placeholders, in order; a name may recur."""
        return [part for part in self.parts if isinstance(part, Placeholder)]

    def check_size(self, maximum: int) -> None:
        """Check that a table can store keys of this template.

        Raises:
            ValueError: it cannot.
        """
        fixed = [self.constant] if self.constant is not None else [part for part in self.parts if isinstance(part, str)]
        if self.kind == "number" and self.constant is not None and not is_representable(self.constant):
            raise ValueError(f"{self.name}: {self.constant} is {UNREPRESENTABLE}")
        if not all(map(is_encodable, (part for part in fixed if isinstance(part, str)))):
            raise ValueError(f"{self.name}: the template contains {UNPAIRED_SURROGATE}")
        if sum(map(_size, fixed)) + len(self.placeholders) > maximum:
            raise ValueError(f"{self.name}: its keys are longer than {maximum} bytes, which is DynamoDB's limit")

    def parse(self, value: Any) -> Item | None:
        """Return the fields in an attribute's value; None if it does not match."""
        if kind_of(value) != self.kind or value == b"":
            return None
        names = [placeholder.name for placeholder in self.placeholders]
        if self.kind != "text":
            return {names[0]: value} if names else ({} if value == self.constant else None)
        found = self.pattern.fullmatch(value)
        if found is None:
            return None
        fields: Item = {}
        for name, text in zip(names, found.groups(), strict=True):
            if fields.setdefault(name, text) != text:
                return None
        return fields

    def format(self, fields: Mapping[str, Any]) -> Any:
        """Return the attribute's value for these fields.

        Raises:
            InvalidMessage: they make no value that parses to them.
        """
        wanted = {placeholder.name: fields.get(placeholder.name) for placeholder in self.placeholders}
        for name, value in wanted.items():
            if kind_of(value) != self.kind:
                raise InvalidMessage(f"the key needs {name!r}, a {self.kind}")
        if self.kind == "text":
            text = "".join(part if isinstance(part, str) else str(wanted[part.name]) for part in self.parts)
            if self.parse(text) == wanted:
                return text
        else:
            found: Any = next(iter(wanted.values()), self.constant)
            if found != b"" and (self.kind == "binary" or is_representable(found)):
                return found
        without = f" without {' '.join(map(repr, sorted(self.separators)))}" if self.separators else ""
        named = ", ".join(map(repr, wanted))
        raise InvalidMessage(f"{named}: each must be a non-empty {self.kind}{without}, to be in the key {self.name!r}")


class KeyTemplate:
    """The templates of an item's key: of the partition key, and of the sort key if the table has one.

    Attributes:
        attributes: their names and templates, the partition key's first.
        fields: the names of the fields in them, in the order of their first occurrence.
    """

    def __init__(self, templates: Mapping[str, Any]) -> None:
        """Compile templates.

        Raises:
            ValueError: they are ambiguous, or not templates; the message says why.
        """
        if not 1 <= len(templates) <= 2:  # noqa: PLR2004 - partition key and sort key
            raise ValueError("name one or two key attributes: the partition key, then the sort key")
        self.attributes = {name: compile_attribute(name, template) for name, template in templates.items()}
        kinds: dict[str, Kind] = {}
        for attribute in self.attributes.values():
            for placeholder in attribute.placeholders:
                if kinds.setdefault(placeholder.name, attribute.kind) != attribute.kind:
                    raise ValueError(f"{{{placeholder.name}}} is of two types")
        for attribute, maximum in zip(self.attributes.values(), _MAX_BYTES, strict=False):
            attribute.check_size(maximum)
        if not kinds:
            raise ValueError("it has no placeholder such as {order}, so that all items would have one key")
        self.fields = kinds

    def parse(self, key: Mapping[str, Any]) -> Item | None:
        """Return the fields in a key, given as values by attribute; None if it does not match."""
        fields: Item = {}
        for name, attribute in self.attributes.items():
            found = attribute.parse(key.get(name))
            if found is None:
                return None
            for field, value in found.items():
                if fields.setdefault(field, value) != value:
                    return None
        return fields

    def format(self, fields: Mapping[str, Any]) -> Item:
        """Return the key attributes for these fields; further fields do not matter.

        Raises:
            InvalidMessage: they make no key that parses to them, or one that is longer than DynamoDB allows.
        """
        key = {name: attribute.format(fields) for name, attribute in self.attributes.items()}
        check_key(key)
        return key


def check_key(key: Item) -> None:
    """Check that DynamoDB can store a key, the partition key's attribute first.

    Raises:
        InvalidMessage: one of its values is too long, or not a text that UTF-8 can represent.
    """
    for (name, value), maximum in zip(key.items(), _MAX_BYTES, strict=False):
        if isinstance(value, str) and not is_encodable(value):
            raise InvalidMessage(f"the key {name!r} contains an unpaired surrogate")
        size = _size(value)
        if size > maximum:
            raise InvalidMessage(f"the key {name!r} has {size} bytes; DynamoDB stores at most {maximum}")


def kind_of(value: Any) -> Kind | None:
    """Return the type of a key attribute's value; None if it cannot be a key attribute's."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bytes):
        return "binary"
    return "number" if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _size(value: Any) -> int:
    """Return the size of a text or binary value in bytes; 0 of a number."""
    return len(value.encode() if isinstance(value, str) else value) if isinstance(value, str | bytes) else 0


def compile_attribute(name: str, template: Any) -> AttributeTemplate:
    """Compile the template of one attribute.

    Raises:
        ValueError: it is ambiguous, or not a template; the message says why.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is not an attribute name")
    kind = kind_of(template)
    if kind is None:
        raise ValueError(f"{name}: a template is a text such as 'ORDER#{{order}}', not {template!r}")
    if template in ("", b""):
        raise ValueError(f"{name}: the template is empty")
    if kind != "text":
        constant = canonical_number(template) if isinstance(template, Decimal) else template
        return AttributeTemplate(name, kind, (), constant, frozenset(), re.compile(""))
    kind, parts = _parts(name, template)
    _check_parts(name, template, kind, parts)
    separators = frozenset(_separators(parts))
    return AttributeTemplate(name, kind, parts, None, separators, re.compile(_pattern(parts, separators), re.DOTALL))


def _parts(name: str, template: str) -> tuple[Kind, tuple[Part, ...]]:
    parts: list[Part] = []
    kinds: list[Kind] = []
    for token in _PART.finditer(template):
        if token[0] in ("{", "}"):
            raise ValueError(f"{name}: {template!r} has a single {token[0]!r}; write it twice to mean itself")
        if token[1] is None:
            literal = token[0][0] if token[0] in ("{{", "}}") else token[0]
            if parts and isinstance(parts[-1], str):
                parts[-1] += literal
            else:
                parts.append(literal)
            continue
        spelled = _PLACEHOLDER.fullmatch(token[1])
        if spelled is None:
            text = "write {name}, {name+}, {name:number} or {name:binary}"
            raise ValueError(f"{name}: {token[0]!r} is not a placeholder: {text}")
        parts.append(Placeholder(spelled[1], spelled[2] is not None))
        kinds.append(spelled[3] or "text")  # type: ignore[arg-type]
    return next((kind for kind in kinds if kind != "text"), "text"), tuple(parts)


def _check_parts(name: str, template: str, kind: Kind, parts: Sequence[Part]) -> None:
    if kind != "text" and len(parts) > 1:
        raise ValueError(f"{name}: a {kind} has one placeholder and nothing else, unlike {template!r}")
    for before, after in pairwise(parts):
        if isinstance(before, Placeholder) and isinstance(after, Placeholder):
            text = f"nothing separates {{{before.name}}} and {{{after.name}}}"
            raise ValueError(f"{name}: in {template!r}, {text}: a key could be read in several ways")  # noqa: TRY004


def _separators(parts: Sequence[Part]) -> Iterator[str]:
    for before, after in pairwise(parts):
        if isinstance(before, Placeholder):
            yield str(after)[0]
        elif not _NO_SEPARATOR.match(before[-1]) and not before[-1].isalnum():
            yield before[-1]


def _pattern(parts: Sequence[Part], separators: frozenset[str]) -> str:
    plain = f"([^{re.escape(''.join(sorted(separators)))}]+)" if separators else "(.+)"
    pattern = ""
    literals = [re.escape(part) if isinstance(part, str) else None for part in parts]
    for index, part in enumerate(parts):
        literal = literals[index]
        if literal is not None:
            after_any = index and isinstance(parts[index - 1], Placeholder) and parts[index - 1][1]
            pattern += "" if after_any else literal
        elif part[1] and index + 1 < len(parts):
            pattern += f"(?>(.+?){literals[index + 1]})"  # no other way is tried
        else:
            pattern += "(.+)" if part[1] else plain
    return pattern
