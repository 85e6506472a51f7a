"""Filter criteria: which records and messages a mapping passes to its function.

invocation-eventfiltering: a mapping has up to ten patterns, and an event that matches any of them passes. A pattern is
a JSON object shaped like the event. All of its fields must be present and match; the values of a field are
alternatives. Fields are looked up as in EventBridge's matching library (https://github.com/aws/event-ruler): by path,
with names joined by dots, and within the same element of a list.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from msgspec import Struct

from local.mapping.errors import MappingError, refuse_unknown
from local.mapping.operators import MISSING, Number, Predicate, value_predicate

MAX_PATTERNS = 10

MAX_PATTERN_CHARACTERS = 4096
"""Characters of one pattern (https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html)."""

MAX_RULES = 1000
"""Most rules that one pattern may expand to. The limit is ours: each further `$or` at least doubles their number."""

type Rule = Sequence[tuple[str, Sequence[Predicate]]]
"""The conditions on an event: by path, the predicates at least one of which the field's value must satisfy."""

type ListPositions = Mapping[int, int]
"""The index of a value's element in each enclosing list, by the list's id()."""


class Filter(Struct, frozen=True):
    """A mapping's patterns. An event passes if it matches any of the rules, or if there are none."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, criteria: object) -> Self:
        """Parse a FilterCriteria property. Raises MappingError if Lambda would reject it."""
        filters = criteria.get("Filters") if isinstance(criteria, Mapping) else None
        if not isinstance(criteria, Mapping | None) or not isinstance(filters, list | None):
            raise MappingError("FilterCriteria must be an object with a list of Filters")
        refuse_unknown("FilterCriteria", criteria or {}, {"Filters"})
        if len(filters or ()) > MAX_PATTERNS:
            raise MappingError(f"FilterCriteria must have at most {MAX_PATTERNS} Filters, not {len(filters or ())}")
        try:
            return cls(tuple(sorted(rule.items()) for entry in filters or () for rule in _rules(_pattern(entry))))
        except RecursionError as error:
            raise MappingError("a filter pattern is nested too deeply") from error

    def passes(self, event: str | bytes) -> bool:
        """Whether a stream record, as JSON, matches one of the patterns."""
        if not self.rules:
            return True
        record = _loads(event)
        return any(_matches(rule, record, {}) for rule in self.rules)

    def passes_message(self, event: str | bytes) -> bool:
        """Whether a queue message, as JSON, matches one of the patterns.

        with-sqs-filtering: a pattern for fields of the body matches only a JSON body, and a pattern for a plain string
        only a body that is not JSON.
        """
        if not self.rules:
            return True
        message = _loads(event)
        body = _parsed_body(message.get("body"))
        is_json = isinstance(body, dict | list)
        if is_json:
            message["body"] = body
        rules = [rule for rule in self.rules if _expects_json_body(rule) in {None, is_json}]
        try:
            return any(_matches(rule, message, {}) for rule in rules)
        except RecursionError:  # as a body that is nested too deeply to be read
            return False


MATCH_ALL = Filter()

# --- patterns -------------------------------------------------------------------------------------------------------


def _pattern(entry: object) -> Mapping[str, object]:
    text = entry.get("Pattern") if isinstance(entry, Mapping) else None
    refuse_unknown("a filter", entry if isinstance(entry, Mapping) else {}, {"Pattern"})
    if isinstance(text, str) and len(text) > MAX_PATTERN_CHARACTERS:
        raise MappingError(f"a filter pattern must have at most {MAX_PATTERN_CHARACTERS} characters, not {len(text)}")
    try:
        pattern = _loads(text, _unique) if isinstance(text, str) else None
    except ValueError as error:
        raise MappingError(f"a filter pattern is not valid JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise MappingError(f"a filter's Pattern must be a text that holds a JSON object, not {text!r}")
    return pattern


def _rules(pattern: Mapping[str, object], path: str = "") -> list[dict[str, list[Predicate]]]:
    """The rules that a pattern expands to: one for each combination of its `$or` alternatives."""
    if not pattern:
        raise MappingError("a filter pattern contains an empty object")
    rules: list[dict[str, list[Predicate]]] = [{}]
    for name, rule in pattern.items():
        choices = _choices(name, rule, path)
        if len(rules) * len(choices) > MAX_RULES:
            raise MappingError(f"the $or alternatives of a filter pattern make more than {MAX_RULES} combinations")
        rules = [one | choice for one in rules for choice in choices]
    return rules


def _choices(name: str, rule: object, path: str) -> list[dict[str, list[Predicate]]]:
    if name == "$or":
        if not isinstance(rule, list) or len(rule) < 2 or not all(isinstance(part, dict) for part in rule):  # noqa: PLR2004
            raise MappingError("$or in a filter pattern must be a list of at least two objects")
        return [choice for part in rule for choice in _rules(part, path)]
    if isinstance(rule, dict):
        return _rules(rule, f"{path}{name}.")
    if isinstance(rule, list) and rule:
        return [{f"{path}{name}": [value_predicate(value) for value in rule]}]
    raise MappingError(f"{name} in a filter pattern must be a list of values or an object, not {rule!r}")


def _expects_json_body(rule: Rule) -> bool | None:
    """Whether a rule matches a message's body as JSON, or else as a plain string; None if it ignores the body."""
    paths = [path for path, _ in rule]
    if any(path.startswith("body.") for path in paths):
        return True
    return False if "body" in paths else None


# --- events ---------------------------------------------------------------------------------------------------------


def _matches(rule: Rule, event: object, positions: ListPositions) -> bool:
    """Whether an event satisfies a rule. Fields below the same list must match within the same element."""
    if not rule:
        return True
    (path, predicates), *rest = rule
    found = [
        (value, {**positions, **at})
        for value, at in _values(event, path, {})
        if all(positions.get(list_id, index) == index for list_id, index in at.items())
    ]
    return any(
        any(predicate(value) for predicate in predicates) and _matches(rest, event, joined)
        for value, joined in found or [(MISSING, dict(positions))]
    )


def _values(event: object, path: str, positions: ListPositions) -> Iterator[tuple[object, ListPositions]]:
    """The values at a path: several for a list, none for an object or an empty list."""
    if isinstance(event, list):
        for index, element in enumerate(event):
            inside = {**positions, id(event): index} if isinstance(element, dict | list) else positions
            yield from _values(element, path, inside)
    elif not isinstance(event, dict):
        if not path:
            yield event, positions
    elif path:
        for name, part in event.items():
            rest = path.removeprefix(name)  # a name may contain dots, or be a prefix of another name
            if rest != path and rest[:1] in {"", "."}:
                yield from _values(part, rest[1:], positions)


def _loads(text: str | bytes, pairs_hook: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    return json.loads(
        text, parse_int=Number, parse_float=Number, parse_constant=_not_json, object_pairs_hook=pairs_hook
    )


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise MappingError(f"{twice} occurs twice in an object of a filter pattern")
    return dict(pairs)


def _parsed_body(body: object) -> object:
    try:
        return _loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError):
        return None
