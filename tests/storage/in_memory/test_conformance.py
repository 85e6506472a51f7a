"""The table in memory answers as DynamoDB Local does: the same requests, the same rows, answers and errors."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.in_memory import Database, Unsupported
from local.in_memory.names import RESERVED
from tailrace.encoding.json_types import Json
from tailrace.encoding.numbers import EXACT
from tests import strategies
from tests.storage.in_memory.cases import CASES, KEY, OTHER, Requests, update
from tests.storage.in_memory.refusals import REFUSALS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def responses(client: Any, table: str, requests: Requests) -> list[Any]:
    """Send requests; what matters of each answer, and the row at the end."""
    seen: list[Any] = []
    for operation, request in [*requests, ("get_item", {"Key": KEY}), ("get_item", {"Key": OTHER})]:
        sent: Json = dict(request) | {"TableName": table}
        if operation == "batch_get_item":
            sent = {"RequestItems": {table: request["RequestItems"]["T"]}}
        if operation == "transact_write_items":
            sent = {
                "TransactItems": [{"Update": one["Update"] | {"TableName": table}} for one in request["TransactItems"]]
            }
        if operation == "batch_execute_statement":
            sent = {
                "Statements": [
                    entry | {"Statement": entry["Statement"].replace('"T"', f'"{table}"')}
                    for entry in request["Statements"]
                ]
            }
        try:
            answer = getattr(client, operation)(**sent)
        except ClientError as error:
            seen.append((error.operation_name, error.response["Error"]["Code"], _plain(error.response.get("Item"))))  # type: ignore[arg-type]
            reasons: list[Json] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
            seen.append([(reason["Code"], _plain(reason.get("Item"))) for reason in reasons])
            continue
        seen.append([_plain(answer.get(name)) for name in ("Item", "Attributes", "LastEvaluatedKey")])
        seen.append(
            [_plain(row) for row in answer.get("Items", [])] + [answer.get("Count"), answer.get("ScannedCount")]
        )
        responses = answer.get("Responses", [])
        if isinstance(responses, dict):  # in no order of its own
            seen.append(sorted(str(sorted((_plain(row) or {}).items())) for row in responses[table]))
        else:
            seen.append([entry.get("Error", {}).get("Code") for entry in responses])
    return seen


def _plain(row: Json | None) -> Json | None:
    """Return a row with its sets in an order and its numbers in one form (DynamoDB Local keeps trailing zeros)."""
    if row is None:
        return None
    return {name: {tag: _ordered(tag, inner) for tag, inner in value.items()} for name, value in row.items()}


def _ordered(tag: str, inner: Any) -> Any:
    if tag in ("SS", "NS", "BS"):
        return sorted(inner)
    if tag == "N":
        return str(Decimal(inner).normalize(EXACT))
    if tag == "M":
        return _plain(inner)
    return [_plain({"": part}) for part in inner] if tag == "L" else inner


ALL_CASES = CASES | REFUSALS


@pytest.mark.parametrize("name", ALL_CASES, ids=lambda name: name.replace(" ", "-"))
def test_the_model_answers_as_dynamodb_does(dynamodb: "DynamoDBClient", table: Callable[..., str], name: str) -> None:
    real = table("pk", "sk")
    model = Database()
    model.create(real, "pk", "sk")
    assert responses(model, real, ALL_CASES[name]) == responses(dynamodb, real, ALL_CASES[name])


def test_the_same_words_are_reserved(dynamodb: "DynamoDBClient", table: Callable[..., str]) -> None:
    real = table("pk", "sk")
    refused = {word for word in RESERVED if _is_refused(dynamodb, real, word.lower())}
    assert refused == RESERVED - {"CONVERT", "SIZE"}  # which DynamoDB's documentation lists, too
    assert not any(_is_refused(dynamodb, real, word) for word in ("mark", "heir", "done", "updated_at", "expires_at"))


def _is_refused(dynamodb: "DynamoDBClient", table: str, word: str) -> bool:
    try:
        dynamodb.get_item(TableName=table, Key=KEY, ProjectionExpression=word)
    except ClientError as error:
        return error.response["Error"]["Code"] == "ValidationException"
    return False


@pytest.mark.parametrize(
    ("expression", "condition", "value"),
    [
        ("DELETE t :v", None, {"x"}),
        ("ADD t :v", None, {"x"}),
        ("SET t = list_append(t, :v)", None, [1]),
        ("SET t = (n + :v)", None, 1),
        ("SET t.u = :v", None, 1),
        ("SET t = :v", "contains(a, :v)", "x"),
        ("SET t = :v", "size(a) = :v", 1),
        ("SET t = :v", "attribute_type(a, :v)", "S"),
        ("SET t = :v", "n IN (:v)", 1),
    ],
)
def test_what_the_model_lacks_is_no_answer_of_dynamodb(expression: str, condition: str | None, value: Any) -> None:
    model = Database()
    model.create("t", "pk", "sk")
    with pytest.raises(Unsupported):
        model.update_item(TableName="t", **update(expression, condition, v=value)[1])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(strategies.numbers, min_size=1, max_size=4))
def test_sums_are_the_same_to_the_last_digit(
    dynamodb: "DynamoDBClient", table: Callable[..., str], numbers: list[int | Decimal]
) -> None:
    real = table("pk", "sk")
    model = Database()
    model.create(real, "pk", "sk")
    requests = [update("ADD n :v SET o = :v", v=number) for number in numbers]
    assert responses(model, real, requests) == responses(dynamodb, real, requests)


def test_a_stream_tells_what_changed_and_nothing_else() -> None:
    document: list[Any] = []
    model = Database()
    model.create("t", "pk", "sk", on_change=lambda key, old, new: document.append((key, old, new)))
    first, second = KEY | {"n": {"N": "1"}}, KEY | {"n": {"N": "2"}}
    for item in (first, KEY | {"n": {"N": "1.0"}}, second):
        model.put_item(TableName="t", Item=item)
    model.update_item(TableName="t", **update("ADD n :v", v=0)[1])
    model.delete_item(TableName="t", Key=KEY)
    model.delete_item(TableName="t", Key=KEY)
    assert document == [(KEY, None, first), (KEY, first, second), (KEY, second, None)]
