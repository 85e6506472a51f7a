"""A table that a stack can read, and what is said about one that differs from it."""

from copy import replace
from typing import Any

from tailrace import Collection, Pipeline
from tailrace.attachment.facts import Actor, Described, Wanted
from tailrace.attachment.table_checks import check_table

ARN = "arn:aws:dynamodb:eu-west-1:111122223333:table/shop"
STREAM = f"{ARN}/stream/2026-01-01T00:00:00.000"
OLD = f"{ARN}/stream/2025-01-01T00:00:00.000"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = KEY.replace("1234abcd", "9999abcd")

WANTED = Wanted("shop", ARN, STREAM, "", Actor("The stack's history function lacks", "look for what denies it"))
ORDERS = Collection("orders", schema={}, key={"PK": "CUSTOMER#{customer}", "SK": "ORDER#{order}"})
PIPELINE = Pipeline(collections=[ORDERS])
PLAIN = Pipeline(collections=[Collection("orders", schema={}), Collection("users", schema={})])

TABLE: dict[str, Any] = {
    "TableName": "shop",
    "TableArn": ARN,
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "PK", "AttributeType": "S"},
        {"AttributeName": "SK", "AttributeType": "S"},
    ],
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    "LatestStreamArn": STREAM,
}
ON: dict[str, Any] = {"StreamStatus": "ENABLED", "StreamViewType": "NEW_AND_OLD_IMAGES", "StreamArn": STREAM}
NO_TTL = {"TimeToLiveStatus": "DISABLED"}
FINE = Described(TABLE, ON, time_to_live=NO_TTL)


def errors(wanted: Wanted, described: Described, pipeline: Pipeline = PIPELINE) -> list[str]:
    return [found.text for found in check_table(pipeline, wanted, described) if found.is_error]


def warnings(wanted: Wanted, described: Described, pipeline: Pipeline = PIPELINE) -> list[str]:
    return [found.text for found in check_table(pipeline, wanted, described) if not found.is_error]


def only(found: list[str]) -> str:
    """Return the one sentence: it begins like one, ends like one, and says what to do after a colon."""
    (text,) = found
    assert text[0].isupper() or text.startswith("--")
    assert text.endswith(".")
    assert ": " in text
    return text


def table(**changed: Any) -> Described:
    """Return a table that differs in this."""
    return replace(FINE, table=TABLE | changed)
