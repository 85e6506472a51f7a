"""The emulator adds numbers of up to 38 digits exactly, and refuses a sum that has more."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.deployment.deploy import client
from local.deployment.emulator import Emulator

KEY = {"pk": {"S": "a"}}
LARGE, CENT = "123456789012345678901234567890123456.78", "0.01"
EXACT = "123456789012345678901234567890123456.79"

type Add = Callable[[Any, str], Any]


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    running = Emulator.start()
    client_ = client("dynamodb", running.endpoint)
    client_.create_table(
        TableName="rows",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client_
    running.stop()


def expression(text: str) -> Add:
    def add(dynamodb: Any, number: str) -> None:
        dynamodb.update_item(
            TableName="rows", Key=KEY, UpdateExpression=text, ExpressionAttributeValues={":n": {"N": number}}
        )

    return add


def transaction(dynamodb: Any, number: str) -> None:
    update = {
        "TableName": "rows",
        "Key": KEY,
        "UpdateExpression": "ADD amount :n",
        "ExpressionAttributeValues": {":n": {"N": number}},
    }
    dynamodb.transact_write_items(TransactItems=[{"Update": update}])


def statement(dynamodb: Any, number: str) -> None:
    text = "UPDATE rows SET amount = amount + ? WHERE pk = 'a'"
    dynamodb.execute_statement(Statement=text, Parameters=[{"N": number}])


def old_form(dynamodb: Any, number: str) -> None:
    dynamodb.update_item(
        TableName="rows", Key=KEY, AttributeUpdates={"amount": {"Action": "ADD", "Value": {"N": number}}}
    )


ADDS: list[Add] = [
    expression("ADD amount :n"),
    expression("SET amount = amount + :n"),
    transaction,
    statement,
    old_form,
]


@pytest.mark.parametrize("add", ADDS)
def test_a_sum_keeps_38_digits_and_one_with_more_is_refused(dynamodb: Any, add: Add) -> None:
    dynamodb.put_item(TableName="rows", Item={**KEY, "amount": {"N": LARGE}})
    add(dynamodb, CENT)
    assert stored(dynamodb) == EXACT
    with pytest.raises(ClientError, match="Validation"):
        add(dynamodb, "0.001")
    assert stored(dynamodb) == EXACT


def stored(dynamodb: Any) -> Any:
    return dynamodb.get_item(TableName="rows", Key=KEY)["Item"]["amount"]["N"]
