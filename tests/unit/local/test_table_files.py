"""A table that files describe is made on DynamoDB Local, which checks requests as DynamoDB does."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.errors import TableFileInvalid
from local.existing_table import TableFile
from tailrace.encoding.dynamodb import encode_item
from tests.unit.local.table_descriptions import DESCRIBED, write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ITEM = encode_item({"PK": "CUSTOMER#1", "SK": "PROFILE", "email": "a@b", "aws:rep:updateregion": "eu-west-1"})


def test_the_items_are_older_than_the_stream(dynamodb: "DynamoDBClient", tmp_path: Path) -> None:
    """As in an account, so that a stack has to build its aggregates. A second run finds the table as it is."""
    file = TableFile.read(
        write(tmp_path, "table.json", DESCRIBED), write(tmp_path, "items.json", {"Items": [ITEM, ITEM]})
    )
    try:
        file.create(dynamodb)
        file.create(dynamodb)
        table = dynamodb.describe_table(TableName="shop")["Table"]
        assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["kinds"]
        assert dynamodb.scan(TableName="shop")["Items"] == [ITEM]
    finally:
        dynamodb.delete_table(TableName="shop")


def test_what_dynamodb_refuses_is_one_sentence(dynamodb: "DynamoDBClient", tmp_path: Path) -> None:
    """With the place."""
    table = DESCRIBED["Table"]
    cases: list[tuple[dict[str, Any], list[Any]]] = [
        ({"KeySchema": []}, []),
        ({"AttributeDefinitions": [{"AttributeName": "PK"}]}, []),
        ({}, [ITEM, {}]),
    ]
    for number, (part, items) in enumerate(cases):
        described = write(tmp_path, "table.json", table | {"TableName": f"refused-{number}"} | part)
        file = TableFile.read(described, write(tmp_path, "items.json", {"Items": items}))
        expected = "item 2 of refused-2" if items else f"the table of {described}"
        with pytest.raises(TableFileInvalid, match=f"refuses {expected}: "):
            file.create(dynamodb)
        assert f"refused-{number}" not in dynamodb.list_tables()["TableNames"]


def test_a_table_that_a_run_before_did_not_finish_is_finished(dynamodb: "DynamoDBClient", tmp_path: Path) -> None:
    """With ``KEEP=1``, what an interrupted run made is still there: a table without a stream, and some of its items."""
    file = TableFile.read(
        write(tmp_path, "table.json", DESCRIBED), write(tmp_path, "items.json", {"Items": [ITEM, ITEM]})
    )
    dynamodb.create_table(**file.request)
    try:
        file.create(dynamodb)
        assert dynamodb.describe_table(TableName="shop")["Table"]["StreamSpecification"]["StreamEnabled"]
        assert dynamodb.scan(TableName="shop")["Items"] == [ITEM]
    finally:
        dynamodb.delete_table(TableName="shop")
