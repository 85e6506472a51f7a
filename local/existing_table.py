"""A table that the stack did not create, made on the emulator from files, for `make stack TABLE=shop.json`.

The files are what the AWS CLI prints of a table: `describe-table`, or the input of `create-table`, and `scan`. The
items come first and the stream second, as in an account: their writes are not in the stream.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from local.deployment.deploy import client
from local.errors import TableFileInvalid
from tailrace.encoding.tagged_json import unique_members
from tailrace.errors import InvalidMessage

BOTH_IMAGES = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
_NEEDED = {"TableName": str, "KeySchema": list, "AttributeDefinitions": list}
_INDEXES = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
_OF_INDEX = ("IndexName", "KeySchema", "Projection")
_SHOWN = 60
"""The most characters that are shown of a value that is refused."""

type Json = dict[str, Any]


class TableFile(Struct, frozen=True):
    """A table as a file describes it, and items that it holds before the stack is attached.

    Attributes:
        path: the file.
        request: the input of CreateTable, without a stream.
        has_stream: whether the described table has a stream with both images.
        items: items in DynamoDB's JSON.
    """

    path: Path
    request: Json
    has_stream: bool
    items: Sequence[Json] = ()

    @classmethod
    def read(cls, path: Path, items: Path | None = None) -> Self:
        """Read what `aws dynamodb describe-table` and `aws dynamodb scan` printed. Raises TableFileInvalid."""
        found = _read_json(path)
        table = found.get("Table", found) if isinstance(found, dict) else {}
        if not _describes_table(table):
            raise TableFileInvalid(
                f"{path} does not describe a table: it needs {', '.join(_NEEDED)}, "
                "as `aws dynamodb describe-table --table-name NAME` prints them."
            )
        stream = table.get("StreamSpecification") or {}
        return cls(path, _request(table), stream == BOTH_IMAGES, _read_items(items) if items else ())

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.request["TableName"])

    @property
    def warning(self) -> str:
        """What to do on AWS before a stack can read the table; empty if it can."""
        if self.has_stream:
            return ""
        return (
            f"According to {self.path}, {self.name} has no stream with new and old images. Here it gets one; on AWS, "
            f"run `aws dynamodb update-table --table-name {self.name} --stream-specification "
            "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES` first."
        )

    def create(self, dynamodb: Any) -> None:
        """Create the table with its items, and then its stream, unless it exists. Raises TableFileInvalid.

        A table without a stream is one that an earlier run did not finish, so its items are put again.
        """
        found = _described(dynamodb, self.name)
        if found is not None and found.get("StreamSpecification") == BOTH_IMAGES:
            return
        what, is_new = f"the table of {self.path}", False
        try:
            if found is None:
                dynamodb.create_table(**self.request)
                is_new = True
            for number, item in enumerate(self.items, 1):
                what = f"item {number} of {self.name}"
                dynamodb.put_item(TableName=self.name, Item=item)
            dynamodb.update_table(TableName=self.name, StreamSpecification=BOTH_IMAGES)
        except (ClientError, BotoCoreError) as error:
            if is_new:  # so that the next run reads the corrected files, and not what is left of these
                dynamodb.delete_table(TableName=self.name)
            raise TableFileInvalid(f"The emulator refuses {what}: {error}") from error


def attach(parameters: Mapping[str, str], name: str, file: TableFile | None, endpoint: str) -> dict[str, str]:
    """Complete template parameters by those that attach a stack to the table `name`, if any.

    The table of a file is made unless the emulator has it. Raises TableFileInvalid.
    """
    if not name:
        return dict(parameters)
    dynamodb = client("dynamodb", endpoint)
    if file is not None:
        file.create(dynamodb)
    table = dynamodb.describe_table(TableName=name)["Table"]
    return {**parameters, "ItemsTableName": name, "ItemsStreamArn": table["LatestStreamArn"]}


def _described(dynamodb: Any, name: str) -> Json | None:
    try:
        found: Json = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return None
    return found


def _describes_table(table: Any) -> bool:
    if not isinstance(table, dict) or not all(isinstance(table.get(name), kind) for name, kind in _NEEDED.items()):
        return False
    lists = [table[name] for name, kind in _NEEDED.items() if kind is list]
    indexes = [table.get(kind) or [] for kind in _INDEXES]
    return all(map(_are_objects, [*lists, *indexes])) and all(map(_describes_index, chain(*indexes)))


def _describes_index(index: Json) -> bool:
    """Whether boto3 can take the parts of an index; whether they are right is up to the emulator."""
    return _are_objects(index.get("KeySchema", [])) and isinstance(index.get("Projection", {}), dict)


def _are_objects(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, dict) for one in found)


def _request(table: Mapping[str, Any]) -> Json:
    """Return the input of CreateTable for a described table; it is not billed, so capacities do not matter."""
    indexes = {
        kind: [{name: index[name] for name in _OF_INDEX if name in index} for index in table[kind]]
        for kind in _INDEXES
        if table.get(kind)
    }
    return {**{name: table[name] for name in _NEEDED}, **indexes, "BillingMode": "PAY_PER_REQUEST"}


def _read_items(path: Path) -> list[Json]:
    found = _read_json(path)
    items = found.get("Items") if isinstance(found, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise TableFileInvalid(f"{path} has no Items, as `aws dynamodb scan --table-name NAME` prints them.")
    try:
        return [{name: _value(value) for name, value in item.items()} for item in items]
    except (ValueError, RecursionError) as error:
        raise TableFileInvalid(f"{path} cannot be read: {error}.") from error


def _value(value: Any) -> Any:
    """Return an attribute value as boto3 takes it: the CLI prints binary in base64, and boto3 encodes it again.

    boto3 would fail at other values, or take a text for a list. What a text says, such as a number, is up to the
    emulator. Raises ValueError.
    """
    match value if isinstance(value, dict) and len(value) == 1 else None:
        case {"S": str()} | {"N": str()} | {"BOOL": bool()} | {"NULL": bool()}:
            return value
        case {"B": str(text)}:
            return {"B": _bytes(text)}
        case {"BS": [*texts]} if _are_texts(texts):
            return {"BS": [_bytes(text) for text in texts]}
        case {"SS": [*texts]} | {"NS": [*texts]} if _are_texts(texts):
            return value
        case {"M": dict(members)}:
            return {"M": {name: _value(inner) for name, inner in members.items()}}
        case {"L": [*members]}:
            return {"L": [_value(inner) for inner in members]}
    shown = json.dumps(value)
    shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown
    raise ValueError(f'{shown} is not an attribute value such as {{"S": "text"}}, as `aws dynamodb scan` prints it')


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"it has a binary value that is not base64: {error}") from error


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique_members)
    except (OSError, ValueError, RecursionError, InvalidMessage) as error:
        raise TableFileInvalid(f"{path} cannot be read: {error}.") from error
