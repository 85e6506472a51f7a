"""The control rows of all generations, in one item of the aggregates table.

The item's keys are ``~control`` and ``-``. Attribute ``g:shops@2`` holds the control row of the generation shops@2 as a
JSON text, ``p:shops`` the version that readers are shown, ``c:orders`` that a definition has had the collection orders,
and ``u:orders`` the second at which items of it expired while their images were not kept; ``stack`` names the stack of
the rows. A control row is replaced on condition that its text is still the one that was read; pointers move
in the same write as the row that allows it. One item means that an invocation sees all of them at one moment, with one
read.
"""

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field

from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.backfill.admission import MAX_RECORD_AGE_S
from tailrace.backfill.generations import Generation, GenerationId, from_row, shown, to_row
from tailrace.encoding.dynamodb import decode_item, encode_item, encode_value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNKEPT_AGAIN_S = 3600
"""How long to wait before recording again that items expired without their images."""

CONTROL = "~control"
"""The partition key of the control item."""

_KEY = {"pk": CONTROL, "sk": "-"}
_GENERATION, _POINTER, _COLLECTION, _UNKEPT = "g:", "p:", "c:", "u:"
_MAX_CHANGES = 100  # an expression has 4 KB
_SINCE_CREATION, _COUNTED, _STACK = "since_creation", "counted", "stack"


class Counted(NamedTuple):
    """Which items the rows count: an existing table and its stream; both are empty for the stack's own."""

    table: str
    stream: str


class Control(Struct, frozen=True):
    """All control rows at one moment.

    Attributes:
        generations: the control rows.
        pointers: by aggregate, the generation that readers are shown.
        since_creation: the stack has kept control rows since it was created, so that the images of all items that have
            ever expired are kept, except those of ``unkept`` collections.
        unkept: by collection, a second at which items expired while the definition did not keep them; the last such
            items expired less than :data:`UNKEPT_AGAIN_S` later.
        exists: whether there is a control item; there is none in a stack that is older than control rows.
        counted: the table whose items the rows count; None if it was never recorded.
        stack: the id of the stack that maintains the rows; empty if it was never recorded.
    """

    generations: Mapping[GenerationId, Generation] = field(default_factory=dict)
    pointers: Mapping[str, GenerationId] = field(default_factory=dict)
    since_creation: bool = False
    exists: bool = False
    counted: Counted | None = None
    unkept: Mapping[str, int] = field(default_factory=dict)
    collections: AbstractSet[str] = frozenset()
    stack: str = ""

    def knows_expired(self, collection: str, generation: Generation) -> bool:
        """Tell whether the images of all items of a collection that a generation has to count are kept.

        One that was built a day after the last other image counts what has expired since its frontier, and nothing
        older can be delivered again.
        """
        built = 0 if generation.frontier is None else generation.frontier.time
        last = self.unkept.get(collection)
        return self.since_creation and (last is None or built > last + UNKEPT_AGAIN_S + MAX_RECORD_AGE_S)

    def shown(self, aggregate: str) -> Generation | None:
        """Return the generation of an aggregate that readers are shown; None while there is nothing to show."""
        return shown(self.pointers.get(aggregate), self.generations)


class ControlTable(Struct, frozen=True):
    """Reads and replaces control rows.

    Raises (each method):
        Transient: the table cannot be used now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str

    def read(self) -> Control:
        """Return all control rows, strongly consistent."""
        with map_aws_errors():
            answer = self.client.get_item(TableName=self.table, Key=encode_item(_KEY), ConsistentRead=True)
        return parse_control(answer.get("Item", {}))

    def create(self, generations: Iterable[Generation], *, since_creation: bool, stack: str = "") -> bool:
        """Write the first control rows of a stack; readers are shown the highest version of each aggregate.

        Returns False, and writes nothing, if there is a control item already.
        """
        item: dict[str, Any] = {**_KEY, _SINCE_CREATION: since_creation}
        item |= {_STACK: stack} if stack else {}
        for one in sorted(generations, key=lambda one: one.id):
            item[_generation_attribute(one.id)] = _text(one)
            item[f"{_POINTER}{one.aggregate}"] = one.version
        try:
            self.client.put_item(
                TableName=self.table, Item=encode_item(item), ConditionExpression="attribute_not_exists(pk)"
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return False
            raise translate(error) from error
        return True

    def record_counted(self, counted: Counted) -> None:
        """Store which table the rows count."""
        self._set([_COUNTED], encode_value(list(counted)))

    def record_stack(self, stack: str) -> None:
        """Store which stack maintains the rows."""
        self._set([_STACK], encode_value(stack))

    def record_unkept(self, collections: Iterable[str], now: int) -> None:
        """Store that items of these collections have expired now whose images are not kept."""
        self._set((f"{_UNKEPT}{name}" for name in collections), {"N": str(now)})

    def record_collections(self, collections: Iterable[str]) -> None:
        """Store that the definition has these collections, so that another one without them is noticed."""
        self._set((f"{_COLLECTION}{name}" for name in collections), {"BOOL": True})

    def replace(self, before: Generation | None, after: Generation, *, show: bool = False) -> bool:
        """Write a control row if it is still as it was read; ``show`` also moves the readers' pointer to it.

        Returns False, and writes nothing, if somebody else has written the row since.
        """
        names = {"#row": _generation_attribute(after.id)}
        values = {":after": {"S": _text(after)}}
        changes = ["#row = :after"]
        condition = "attribute_exists(pk) AND attribute_not_exists(#row)"
        if before is not None:
            values[":before"] = {"S": _text(before)}
            condition = "#row = :before"
        if show:
            names["#pointer"] = f"{_POINTER}{after.aggregate}"
            values[":version"] = {"N": str(after.version)}
            changes.append("#pointer = :version")
        return self._update(f"SET {', '.join(changes)}", condition, names, values)

    def show(self, generation: Generation) -> bool:
        """Move the readers' pointer to a generation if its control row is still as it was read."""
        names = {"#row": _generation_attribute(generation.id), "#pointer": f"{_POINTER}{generation.aggregate}"}
        values = {":before": {"S": _text(generation)}, ":version": {"N": str(generation.version)}}
        return self._update("SET #pointer = :version", "#row = :before", names, values)

    def _set(self, attributes: Iterable[str], value: Any) -> None:
        for part in batched(sorted(attributes), _MAX_CHANGES, strict=False):
            names = {f"#{place}": name for place, name in enumerate(part)}
            change = f"SET {', '.join(f'{place} = :value' for place in names)}"
            self._update(change, "attribute_exists(pk)", names, {":value": value})

    def _update(self, change: str, condition: str, names: dict[str, str], values: dict[str, Any]) -> bool:
        try:
            self.client.update_item(
                TableName=self.table,
                Key=encode_item(_KEY),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return False
            raise translate(error) from error
        return True


def control_key() -> Mapping[str, Any]:
    """Return the control item's key in DynamoDB's JSON, for reads together with other rows."""
    return encode_item(_KEY)


def parse_control(image: Mapping[str, Any]) -> Control:
    """Read a control item from DynamoDB's JSON; an empty one is that of a stack without control rows."""
    item = decode_item(image)
    rows = [from_row(json.loads(text)) for name, text in item.items() if name.startswith(_GENERATION)]
    pointers = {
        name.removeprefix(_POINTER): (name.removeprefix(_POINTER), int(version))
        for name, version in item.items()
        if name.startswith(_POINTER)
    }
    return Control(
        {one.id: one for one in rows},
        pointers,
        since_creation=bool(item.get(_SINCE_CREATION)),
        exists=bool(item),
        counted=Counted(*item[_COUNTED]) if _COUNTED in item else None,
        unkept={name.removeprefix(_UNKEPT): int(at) for name, at in item.items() if name.startswith(_UNKEPT)},
        collections=frozenset(name.removeprefix(_COLLECTION) for name in item if name.startswith(_COLLECTION)),
        stack=item.get(_STACK, ""),
    )


def _generation_attribute(name: GenerationId) -> str:
    return f"{_GENERATION}{name[0]}@{name[1]}"


def _text(generation: Generation) -> str:
    return json.dumps(to_row(generation), sort_keys=True, separators=(",", ":"))
