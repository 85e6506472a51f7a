"""The patterns of a schema, rewritten for a linear-time engine before the schema is compiled."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs

from tailrace.definition.json_schema.exact_numbers import with_exact_keywords
from tailrace.definition.json_schema.keywords import LISTS, MAPS, REFERENCES, SINGLE, escape_pointer, unescape_pointer
from tailrace.definition.json_schema.patterns import PatternError, Translation, translate
from tailrace.errors import DefinitionError

MAX_STEPS = 50_000_000
"""The most steps that matching one pattern may take, about a second. A step is one character, times one character or
class of the pattern after expanding its counted repeats; a text that would take more is invalid."""

MAX_STEPS_OF_ALL = 10 * MAX_STEPS
"""The most steps of all patterns that may meet one text, such as those of alternatives; about three seconds."""

_MAX_PATTERNS, _MAX_MATCHES = 1_024, 16_384
"""What is remembered of patterns. A table may have thousands of columns, each of which meets all patterns several
times; those of every file that a process reads would fill its memory."""

_MAX_TEXT = 400 * 1024  # the longest text of an item
_MAX_COMPILED_BYTES = 32 * 1024 * 1024

PATTERN_OPTIONS = jsonschema_rs.RegexOptions(size_limit=_MAX_COMPILED_BYTES)


class PatternRewriter:
    """Rewrites the patterns of one schema, and finds the original of each for error messages."""

    def __init__(self) -> None:
        self._longest_text = _MAX_TEXT
        self._originals: dict[str, str] = {}
        self._forbidden: dict[str, str] = {}

    def rewrite(self, schema: Any, pointer: str = "") -> Any:
        """Return a schema with all patterns translated, and with keywords that compare numbers exactly.

        Raises:
            DefinitionError: a pattern is malformed, or cannot be matched within the bounds.
        """
        if not isinstance(schema, Mapping):
            return schema
        result = {keyword: self._value(keyword, value, f"{pointer}/{keyword}") for keyword, value in schema.items()}
        if isinstance(result.get("pattern"), str):
            first, *others = self._rules(result.pop("pattern"), f"{pointer}/pattern")
            if first.keys() == {"pattern"}:
                result |= first
            else:
                others.insert(0, first)
            given = result.get("allOf", [])
            if others and isinstance(given, list):  # at the end, where they change no reference
                result["allOf"] = [*given, *others]
        if result.get("additionalProperties") is False:
            result.setdefault("properties", {})  # only next to it do violations name the fields
        return with_exact_keywords(result)

    def _value(self, keyword: str, value: Any, place: str) -> Any:
        if keyword in SINGLE:
            return self.rewrite(value, place)
        if keyword in LISTS and isinstance(value, list):
            return [self.rewrite(inner, f"{place}/{index}") for index, inner in enumerate(value)]
        if keyword in MAPS and isinstance(value, Mapping):
            inner_schemas = {
                name: self.rewrite(inner, f"{place}/{escape_pointer(str(name))}") for name, inner in value.items()
            }
            return self._by_translated_name(inner_schemas, place) if keyword == "patternProperties" else inner_schemas
        return _translated_reference(value) if keyword in REFERENCES and isinstance(value, str) else value

    def shorten(self, weight: int) -> bool:
        """Allow only texts that patterns of this weight together can match in time; return whether this changes any."""
        self._longest_text = min(_MAX_TEXT, MAX_STEPS_OF_ALL // max(weight, 1))
        return self._longest_text < _MAX_TEXT

    def original(self, error: jsonschema_rs.ValidationError) -> str | None:
        """Return the pattern that a text does not match, if this is the reason of an error."""
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Pattern):
            return self._originals.get(error.kind.pattern)
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Not) and isinstance(error.kind.schema, dict):
            return self._forbidden.get(str(error.kind.schema.get("pattern")))
        return None

    def uncompiled(self, error: jsonschema_rs.ValidationError) -> str | None:
        """Return the pattern that cannot be compiled, if this is the reason why a rewritten schema is refused."""
        return self._originals.get(str(error.instance), self._forbidden.get(str(error.instance)))

    def _by_translated_name(self, schemas: Mapping[Any, Any], place: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for pattern, schema in schemas.items():
            if not isinstance(pattern, str):
                raise DefinitionError(f"not a JSON Schema (2020-12): {place}: {pattern!r} is not a string")
            found = _checked(pattern, place)
            if len(found.required) + len(found.forbidden) > 1 or found.weight * _MAX_TEXT > MAX_STEPS:
                text = "a pattern for names can have no lookahead, and repeats of at most 120 characters"
                raise DefinitionError(f"{place}: {pattern!r}: {text}")
            name = found.required[0]
            self._originals[name] = pattern
            result[name] = {"allOf": [result[name], schema]} if name in result else schema
        return result

    def _rules(self, pattern: str, place: str) -> list[dict[str, Any]]:
        found = _checked(pattern, place)
        rules: list[dict[str, Any]] = [{"pattern": text} for text in found.required]
        rules += [{"not": {"type": "string", "pattern": text}} for text in found.forbidden]
        self._originals |= dict.fromkeys(found.required, pattern)
        self._forbidden |= dict.fromkeys(found.forbidden, pattern)
        longest = min(MAX_STEPS // max(found.weight, 1), self._longest_text)
        if longest < _MAX_TEXT:
            limit = {"maxLength": longest}
            return [{"if": limit, "then": {"allOf": rules}, "else": limit}]
        return rules


def _translated_reference(reference: str) -> str:
    """Return a reference to a schema in ``patternProperties`` with the name that this has after rewriting."""
    resource, separator, fragment = reference.partition("#")
    steps = iter(fragment.split("/"))
    result = []
    for step in steps:
        result.append(step)
        if step in MAPS and (name := next(steps, None)) is not None:  # what a map names is not a keyword
            result.append(_translated_step(name) if step == "patternProperties" else name)
    return resource + separator + "/".join(result)


def _translated_step(step: str) -> str:
    try:
        (name,) = translate(unescape_pointer(unquote(step))).required
    except ValueError:  # malformed, or with a lookahead, which is reported where the pattern is
        return step
    return quote(escape_pointer(name))


def _checked(pattern: str, place: str) -> Translation:
    try:
        return translate(pattern)
    except PatternError as error:
        raise DefinitionError(f"not a JSON Schema (2020-12): {place}: not a regex that can be used: {error}") from error


def pattern_weight(schema: Mapping[str, Any]) -> int:
    """Return the weight of a schema's own pattern."""
    return _translated(schema["pattern"]).weight if "pattern" in schema else 0


@lru_cache(maxsize=_MAX_PATTERNS)
def _matcher(text: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"pattern": text}, pattern_options=PATTERN_OPTIONS)


@lru_cache(maxsize=_MAX_PATTERNS)
def _translated(pattern: str) -> Translation:
    return translate(pattern)


@lru_cache(maxsize=_MAX_MATCHES)
def matches(pattern: str, text: str) -> bool:
    """Tell whether a text matches a pattern of a compiled schema."""
    found = _translated(pattern)
    return all(_matcher(one).is_valid(text) for one in found.required) and not any(
        _matcher(one).is_valid(text) for one in found.forbidden
    )
