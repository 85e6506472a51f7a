"""What a part of a schema certainly refuses, as far as its own keywords say."""

from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.definition.json_schema.pattern_rules import matches

_BOUNDS = {
    "number": (
        ("minimum", "maximum", False),
        ("minimum", "exclusiveMaximum", True),
        ("exclusiveMinimum", "maximum", True),
        ("exclusiveMinimum", "exclusiveMaximum", True),
    ),
    "string": (("minLength", "maxLength", False),),
    "array": (("minItems", "maxItems", False),),
    "object": (("minProperties", "maxProperties", False),),
}
"""The keywords of a type's least and most, and whether a value that equals both is left out."""


def has_no_value(parts: Sequence[Mapping[str, Any]], kind: str) -> bool:
    """Tell whether the bounds of schemas that apply together leave no value of a type, or ``not`` excludes them all."""
    for least, most, is_open in _BOUNDS.get(kind, ()):
        lows, highs = ([part[bound] for part in parts if bound in part] for bound in (least, most))
        if lows and highs and (max(lows) > min(highs) or (is_open and max(lows) == min(highs))):
            return True
    return any(_excludes(part["not"], kind) for part in parts if "not" in part)


def _excludes(excluded: Any, kind: str) -> bool:
    if not isinstance(excluded, Mapping):
        return bool(excluded)
    kinds = excluded.get("type", kind)
    return not excluded.keys() - {"type"} and kind in ({kinds} if isinstance(kinds, str) else kinds)


def refuses_text(schema: Mapping[str, Any], text: str) -> bool:
    """Tell whether the keywords of a schema for texts refuse one."""
    return ("pattern" in schema and not matches(schema["pattern"], text)) or not (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
    )


def is_forbidden(excluded: Any, name: str) -> bool:
    """Tell whether objects with a field are among those that ``not`` excludes, whatever else they have."""
    if not isinstance(excluded, Mapping):
        return False
    if excluded.keys() == {"anyOf"}:
        return any(is_forbidden(inner, name) for inner in excluded["anyOf"])
    return (
        excluded.keys() <= {"required", "type"}
        and set(excluded.get("required", ())) == {name}
        and (excluded.get("type", "object") == "object")
    )
