"""What a definition makes of the items of a table, counted: matched, invalid, counted, or none of these."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from tailrace.aggregation.contributions import contribution_of
from tailrace.aggregation.evaluator import Evaluator
from tailrace.definition.collection import Collection
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import Image, decode_item
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidItem, InvalidMessage, Violation
from tailrace.inputs.changes import Change, StreamPosition, UnreadableRecord, decode_image
from tailrace.inputs.item_changes import UNMATCHED, changes_of
from tailrace.outputs.prepared_images import route_matches

_MAX_KEY_CHARACTERS = 200
_FIRST = StreamPosition(1, "1970-01-01T00:00:00Z")


class Reason(Struct):
    """Why items cannot be used: how many, the first one's key, and what is wrong with it."""

    text: str
    key: str
    items: int = 0


class Reasons(Struct):
    """Reasons by what they have in common, the first of each kind."""

    found: dict[tuple[str, ...], Reason] = field(default_factory=dict)
    items: int = 0

    def add(self, violations: Sequence[Violation], key: str) -> None:
        """Add an item."""
        self.items += 1
        for violation in violations[:1]:
            kind = (violation.pointer, violation.keyword)
            text = f"{violation.pointer} {violation.message}".strip()
            self.found.setdefault(kind, Reason(text, key)).items += 1

    @property
    def most_frequent(self) -> list[Reason]:
        """The reasons, the most frequent first."""
        return sorted(self.found.values(), key=lambda reason: -reason.items)


class CollectionTally(Struct):
    """The items of one collection.

    Attributes:
        collection: the collection.
        evaluator: evaluates its items.
        items: how many match it.
        invalid: those that go to quarantine.
        in_rows: how many valid items are in a row, by aggregate.
        uncounted: those that an aggregate cannot count, by aggregate.
        failing_routes: those on which the predicate of a route fails, by route.
    """

    collection: Collection
    evaluator: Evaluator
    items: int = 0
    invalid: Reasons = field(default_factory=Reasons)
    in_rows: dict[str, int] = field(default_factory=dict)
    uncounted: dict[str, Reasons] = field(default_factory=dict)
    failing_routes: dict[str, Reasons] = field(default_factory=dict)

    @property
    def valid(self) -> int:
        """How many items are valid."""
        return self.items - self.invalid.items


class Tally:
    """Counts items, each as the readers of the stream see it when it is written."""

    def __init__(self, pipeline: Pipeline, key_attributes: Sequence[str]) -> None:
        self._pipeline = pipeline
        self._key_attributes = key_attributes
        self.items = 0
        self.unmatched = Reasons()
        self.unreadable = Reasons()
        self.collections: Mapping[str, CollectionTally] = {
            one.name: CollectionTally(one, Evaluator(one, [each for each in pipeline.aggregates if each.of is one]))
            for one in pipeline.collections
        }
        for tally in self.collections.values():
            tally.in_rows = {_name(one): 0 for one in tally.evaluator.aggregates}

    @property
    def is_strict(self) -> bool:
        """Whether items that no collection matches go to quarantine."""
        return self._pipeline.keys is None or self._pipeline.keys.strict

    def add(self, image: Image) -> None:
        """Count an item, given as DynamoDB's attribute values."""
        self.items += 1
        key = {name: image[name] for name in self._key_attributes if name in image}
        shown = _shown(key)
        record = {"eventID": "1", "dynamodb": {"Keys": key, "NewImage": image, "SequenceNumber": "1"}}
        changes = changes_of(record, None, _FIRST, self._pipeline, decode_image)
        for change in changes:
            if isinstance(change, Change) and change.collection in self.collections and change.new is not None:
                self._add_item(self.collections[change.collection], change.new, shown)
            elif isinstance(change, UnreadableRecord) and change.reason != UNMATCHED:
                self.unreadable.add([Violation("", "", change.reason)], shown)
            else:
                self.unmatched.add([Violation("", "", UNMATCHED)], shown)

    def _add_item(self, tally: CollectionTally, item: Item, key: str) -> None:
        tally.items += 1
        try:
            prepared = tally.collection.prepare(item)
        except InvalidItem as error:
            tally.invalid.add(error.violations, key)
            return
        counted = map(contribution_of, *tally.evaluator.contributions(prepared))
        for aggregate, contribution in zip(tally.evaluator.aggregates, counted, strict=True):
            name = _name(aggregate)
            if isinstance(contribution, InvalidItem):
                tally.uncounted.setdefault(name, Reasons()).add(contribution.violations, key)
            elif contribution is not None:
                tally.in_rows[name] += 1
        for route in self._pipeline.routes:
            if route.of is tally.collection and isinstance(failed := route_matches(route, prepared), InvalidItem):
                tally.failing_routes.setdefault(route.name, Reasons()).add(failed.violations, key)


def _name(aggregate: Any) -> str:
    return str(aggregate.name) if aggregate.version == 1 else f"{aggregate.name}@{aggregate.version}"


def _shown(key: Image) -> str:
    try:
        text = dumps(decode_item(key))
    except InvalidMessage:
        text = str(key)
    return text if len(text) <= _MAX_KEY_CHARACTERS else f"{text[:_MAX_KEY_CHARACTERS]}…"
