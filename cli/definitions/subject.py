"""One collection under test: its functions, and what they make of an item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.definitions.generation.constants import Constants, constants_of, stored
from cli.definitions.generation.open_fields import open_fields
from cli.definitions.predicates import UserPredicate, images_of, predicates_of, uses_of
from tailrace.aggregation.contributions import item_contribution
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import FAILURES
from tailrace.definition.field_uses import field_uses
from tailrace.definition.item_keys import ItemKeys
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.json_types import Item, deep_copy
from tailrace.encoding.limits import check_item
from tailrace.encoding.tagged_json import canonical_json
from tailrace.errors import InvalidItem, InvalidMessage
from tailrace.inputs.received_items import completed, stamp_of

_STAMP = stamp_of(0)

type Hint = str | Mapping[str, Any]
"""What a field is expected to be: ``scalar``, ``string``, ``number`` or ``time``; or a schema of its members."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A collection with the aggregates and predicates on its items."""

    collection: Collection
    aggregates: list[Aggregate]
    predicates: list[UserPredicate]
    keys: ItemKeys | None = None
    constants: Constants = field(init=False)

    def __post_init__(self) -> None:
        functions: list[Callable[..., Any]] = [predicate.function for predicate in self.predicates]
        if self.collection.transform is not None:
            functions.append(self.collection.transform)
        object.__setattr__(self, "constants", constants_of(functions))

    @classmethod
    def of(cls, pipeline: Pipeline, collection: Collection) -> "Subject":
        """Return the subject of a collection."""
        aggregates = [aggregate for aggregate in pipeline.aggregates if aggregate.of is collection]
        return cls(collection, aggregates, predicates_of(pipeline, collection), pipeline.keys)

    def examples(self) -> list[Item]:
        """Return the examples that are items of the collection."""
        examples = [example_item(self.collection, example) for example in self.collection.all_examples]
        return [example for example in examples if self.accepts(example)]

    def hints(self) -> Mapping[str, Hint]:
        """Return what the definition expects of the fields that it uses, by name, for schemas that leave them open."""
        read = [use for predicate in self.predicates for use in uses_of(predicate)]
        uses = [use for one in self.aggregates for use in field_uses(one.by, one.stored_measures, one.each_path)]
        found: dict[str, Hint] = dict.fromkeys((str(use.path[0]) for use in read), "scalar")
        if self.collection.transform is not None:
            names = self.constants.texts if not self.collection.compiled.properties else ()
            found |= {name: "scalar" for name in names if name.isidentifier()}
        for use in uses:
            kind = "number" if use.types == {"number"} else "time" if "boolean" not in use.types else "string"
            found[str(use.path[0])] = kind
        found.update(open_fields([*uses, *read], self.collection.fields))
        return found

    def id_of(self, item: Item) -> str | None:
        """Return the id that an item's fields make in a table with keys of its own; None without such keys.

        Raises:
            InvalidMessage: the fields make no key.
        """
        keys = self.collection.keys
        if keys.is_plain:
            return None
        key = keys.template.format(item)
        identity = keys.identity(key)
        if identity is None:
            raise InvalidMessage("the key does not match its own template")
        return identity.id

    def accepts(self, item: Item) -> bool:
        """Tell whether the table can hold an item of this collection, and the schema allows it."""
        match = self.collection.keys.match.items()
        if any(
            name not in item or canonical_json(item[name]) != canonical_json(stored(value)) for name, value in match
        ):
            return False  # as JSON, so that 1 is not True
        try:
            self.id_of(item)
            check_item("x#1", item, self.collection.keys.reserved)
        except (InvalidMessage, InvalidItem):
            return False
        return self.collection.compiled.is_valid(item)

    def overlap(self, item: Item) -> str | None:
        """Return why a row of the table is not known to be this item: its key matches another collection as well."""
        item_id = self.id_of(item)
        if self.keys is None or item_id is None:
            return None
        row = encode_item(self.collection.keys.row(item_id, item))
        try:
            found = self.keys.identify(row, row)
        except InvalidMessage as error:
            return str(error)
        return None if found is not None and found.collection == self.collection.name else "no collection matches it"

    def key_schema(self) -> Mapping[str, Any]:
        """Return a schema of what every item has because of its key: an object with these fields."""
        keys = self.collection.keys
        types = {"text": {"type": "string", "minLength": 1}, "number": {"type": "number"}}
        fields = {name: types[kind] for name, kind in keys.fields.items() if kind in types}
        fixed = {name: {"const": value} for name, value in keys.match.items()}
        return {"type": "object", "required": [*fields, *fixed], "properties": fields | fixed}

    def counts_in(self, aggregate: Aggregate, item: Item) -> bool:
        """Tell whether an item that its transform accepts is in a row of an aggregate."""
        try:
            return item_contribution(self.collection.prepare(deep_copy(item)), aggregate) is not None
        except InvalidItem:
            return False

    def outcome(self, item: Item) -> str:
        """Return all that the definition makes of an item, as one text: equal texts are equal results."""
        try:
            seen = self.collection.prepare(deep_copy(item))
        except InvalidItem as error:
            return f"invalid: {error}"
        parts = [canonical_json(seen), *(_results(predicate, seen) for predicate in self.predicates)]
        return "\n".join([*parts, *(_counted(seen, aggregate) for aggregate in self.aggregates)])


def example_item(collection: Collection, example: Mapping[str, Any]) -> Item:
    """Return an example as the table would hold it: with the attributes of ``match=``, and the stamp of an entrance.

    Raises:
        InvalidMessage: no item can contain one of its values.
        TypeError: it is not a mapping.
    """
    item, _ = completed(collection, stored(collection.keys.match | dict(example)), None, _STAMP)
    return item


def _results(predicate: UserPredicate, item: Item) -> str:
    return ",".join(_result(predicate.function, image) for image in images_of(item, predicate.each))


def _result(function: Callable[[Any], Any], item: Item) -> str:
    try:
        return str(bool(function(deep_copy(item))))
    except FAILURES as error:  # the user's code may raise anything
        return type(error).__name__


def _counted(item: Item, aggregate: Aggregate) -> str:
    try:
        return repr(item_contribution(deep_copy(item), aggregate))
    except InvalidItem as error:
        return ",".join(violation.keyword for violation in error.violations)
