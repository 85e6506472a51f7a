"""What keeps a stack from reading an existing table: one sentence for each cause, with what to do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tailrace import Collection, Pipeline, days
from tailrace.attachment.checks import check_table, in_one_text
from tailrace.attachment.facts import Actor, Denied, Described, Finding, Wanted

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


def keyed(*attributes: tuple[str, str]) -> Described:
    """Return a table with this key, the partition key first; DescribeTable may list it in another order."""
    schema = [
        {"AttributeName": name, "KeyType": "RANGE" if index else "HASH"} for index, (name, _) in enumerate(attributes)
    ]
    definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in (*attributes, ("other", "N"))]
    return table(KeySchema=schema[::-1], AttributeDefinitions=definitions)


def test_nothing_is_found_at_a_table_that_fits() -> None:
    assert check_table(PIPELINE, WANTED, FINE) == []
    assert check_table(PIPELINE, replace(WANTED, stream_arn=None, key_arn=None, writes=True), FINE) == []


def test_there_is_no_such_table() -> None:
    text = only(errors(WANTED, Described()))
    assert "no table 'shop' in region eu-west-1 of account 111122223333" in text
    assert "no table 'shop' in this region" in only(errors(replace(WANTED, table_arn="", stream_arn=None), Described()))


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "ARCHIVING", "ARCHIVED", "SOMETHING_NEW"])
def test_a_table_that_is_not_active(status: str) -> None:
    assert status in only(errors(WANTED, table(TableStatus=status)))


def test_a_table_that_is_updated_can_be_read() -> None:
    assert errors(WANTED, table(TableStatus="UPDATING")) == []
    assert "being updated" in warnings(WANTED, table(TableStatus="UPDATING"))[0]


@pytest.mark.parametrize(
    "changed",
    [{"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"}, {"SSEDescription": {"InaccessibleEncryptionDateTime": 1}}],
)
def test_a_table_whose_key_is_out_of_reach(changed: dict[str, Any]) -> None:
    sse = {"SSEType": "KMS", "Status": "ENABLED", "KMSMasterKeyArn": KEY} | changed.get("SSEDescription", {})
    text = only(errors(replace(WANTED, key_arn=KEY), table(**changed | {"SSEDescription": sse})))
    assert f"cannot use the key {KEY}" in text


@pytest.mark.parametrize("specification", [None, {}, {"StreamEnabled": False}])
@pytest.mark.parametrize("latest", [None, STREAM, OLD])
def test_a_disabled_stream(specification: Any, latest: str | None) -> None:
    """DescribeTable still names the last stream of a table whose stream is disabled."""
    text = errors(WANTED, table(StreamSpecification=specification, LatestStreamArn=latest))
    assert "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES" in only(text)
    without = {name: value for name, value in TABLE.items() if not name.endswith(("Specification", "StreamArn"))}
    assert "is disabled" in only(errors(WANTED, replace(FINE, table=without)))


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "LATER_IMAGE"])
def test_a_stream_without_both_images(view: str) -> None:
    specification = {"StreamEnabled": True, "StreamViewType": view}
    found = errors(WANTED, table(StreamSpecification=specification))
    assert f"StreamViewType={view}" in only(found)
    assert "disable the stream and enable it again with StreamViewType=NEW_AND_OLD_IMAGES" in only(found)
    unseen = Described(None, ON | {"StreamViewType": view}, denied=[Denied("dynamodb:DescribeTable", ARN)])
    assert any(f"StreamViewType={view}" in text for text in errors(WANTED, unseen))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("shop", "is 'shop'"),
        (ARN, "the ARN of a table"),
        (f"{ARN}/stream", "is 'arn:"),
        (f"{ARN}/stream/", "is 'arn:"),
        (f"{ARN}/stream/a/b", "is 'arn:"),
        (f"{STREAM} ", "is 'arn:"),
        (f"{STREAM}\n", "is 'arn:"),
        (f"{ARN}/index/by_status", "is 'arn:"),
        ("arn:aws:kinesis:eu-west-1:111122223333:stream/shop", "is 'arn:aws:kinesis:"),
        ("arn:", "is 'arn:'"),
        ("arn:aws", "is 'arn:aws'"),
        ("arn:" + "x" * 5000, "is 'arn:xxx"),
    ],
)
def test_what_is_no_arn_of_a_stream(given: str, told: str) -> None:
    text = only(errors(replace(WANTED, stream_arn=given), FINE))
    assert told in text
    assert text.endswith(f"set it to {STREAM}.")
    assert len(text) < 700


@pytest.mark.parametrize(
    ("part", "other", "told"),
    [
        ("table/shop/", "table/shop2/", "table shop2"),
        (":eu-west-1:", ":us-east-1:", "region us-east-1"),
        (":111122223333:", ":999900001111:", "account 999900001111"),
        ("arn:aws:", "arn:aws-us-gov:", "partition aws-us-gov"),
    ],
)
def test_the_stream_of_another_table_region_account_or_partition(part: str, other: str, told: str) -> None:
    wanted = replace(WANTED, stream_arn=STREAM.replace(part, other))
    text = only(errors(wanted, FINE))
    assert f"a stream of {told}, but the stack reads the table in " in text
    assert f"set it to {STREAM}" in text
    assert ("deploy the stack in us-east-1" in text) is (told == "region us-east-1")
    unseen = errors(wanted, Described(denied=[Denied("dynamodb:DescribeTable", ARN)]))
    assert any(f"a stream of {told}" in text for text in unseen)
    gone = errors(wanted, Described())
    assert any(f"a stream of {told}" in text for text in gone)


def test_a_stream_that_differs_in_everything() -> None:
    found = errors(replace(WANTED, stream_arn="arn:aws-cn:dynamodb:cn-north-1:1:table/x/stream/y"), FINE)
    assert "a stream of partition aws-cn, region cn-north-1, account 1, table x, but" in only(found)


def test_an_earlier_stream_of_the_table() -> None:
    wanted = replace(WANTED, stream_arn=OLD)
    text = only(errors(wanted, replace(FINE, stream=ON | {"StreamStatus": "DISABLED"})))
    assert "an earlier stream of table 'shop'" in text
    assert f"set it to {STREAM}" in text
    assert len(errors(wanted, table(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}))) == 2


@pytest.mark.parametrize(
    ("status", "told"), [("ENABLING", "try again"), ("DISABLING", "DISABLING"), ("DISABLED", "is DISABLED")]
)
def test_a_stream_whose_own_status_is_another(status: str, told: str) -> None:
    """DescribeTable may be older than DescribeStream."""
    assert told in only(errors(WANTED, replace(FINE, stream=ON | {"StreamStatus": status})))


def test_a_stream_that_is_gone() -> None:
    assert f"There is no stream {STREAM}" in only(errors(WANTED, replace(FINE, stream=None, stream_is_gone=True)))


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ([("PK", "S")], "with a sort key that the table does not have"),
        ([("pk", "S"), ("SK", "S")], "case matters"),
        ([("SK", "S"), ("PK", "S")], "in another order"),
        ([("PK", "N"), ("SK", "S")], "'PK' (number) and 'SK' (text)"),
        ([("PK", "S"), ("SK", "B")], "'PK' (text) and 'SK' (binary)"),
        ([("customer", "S"), ("order", "N")], "such as {'customer': '{id}', 'order': '{part:number}'}"),
    ],
)
def test_a_key_that_the_definition_does_not_have(attributes: list[tuple[str, str]], told: str) -> None:
    text = only(errors(WANTED, keyed(*attributes)))
    assert told in text
    assert "but key= of the definition is 'PK' (text) and 'SK' (text)" in text


def test_a_definition_without_the_sort_key() -> None:
    pipeline = Pipeline(collections=[Collection("orders", schema={}, key={"PK": "{order}"})])
    assert "is 'PK' (text), without the sort key" in only(errors(WANTED, FINE, pipeline))


def test_the_key_that_is_listed_in_another_order_fits() -> None:
    assert errors(WANTED, keyed(("PK", "S"), ("SK", "S"))) == []


@pytest.mark.parametrize("attributes", [[("id", "S")], [("pk", "N")], [("pk", "S"), ("sk", "S")], [("pk", "B")]])
def test_collections_without_key_need_pk(attributes: list[tuple[str, str]]) -> None:
    text = only(errors(WANTED, keyed(*attributes), PLAIN))
    assert "collections without key= need 'pk' (text): give 'orders', 'users' a key= such as {" in text
    assert errors(WANTED, keyed(("pk", "S")), PLAIN) == []


def with_ttl(status: str, name: str | None = None) -> Described:
    return replace(FINE, time_to_live={"TimeToLiveStatus": status} | ({"AttributeName": name} if name else {}))


EXPIRING = Pipeline(collections=[Collection("orders", schema={}, key=ORDERS.key, ttl="ends_at")])


@pytest.mark.parametrize("status", ["ENABLED", "ENABLING"])
def test_another_ttl_attribute(status: str) -> None:
    """Without ttl=, it is expires_at."""
    found = with_ttl(status, "ends_at")
    assert "the definition's TTL attribute is 'expires_at': write ttl='ends_at'" in only(errors(WANTED, found))
    assert errors(WANTED, found, EXPIRING) == []
    assert "TTL attribute is 'ends_at'" in only(errors(WANTED, with_ttl(status, "expires_at"), EXPIRING))
    assert errors(WANTED, with_ttl(status, "expires_at")) == []


@pytest.mark.parametrize("found", [with_ttl("DISABLED"), with_ttl("DISABLING", "ends_at")])
def test_a_ttl_attribute_that_nothing_expires_by(found: Described) -> None:
    assert errors(WANTED, found, EXPIRING) == []
    assert "table 'shop' has no TTL" in warnings(WANTED, found, EXPIRING)[0]
    assert warnings(WANTED, found) == []


def test_items_that_would_never_expire() -> None:
    """Only this stack gives them their expiry."""
    key = ORDERS.key
    kept = Pipeline(collections=[Collection("orders", schema={}, key=key, keep=days(30), keep_from="placed")])
    assert "would never expire" in only(errors(replace(WANTED, writes=True), FINE, kept))
    assert errors(WANTED, FINE, kept) == []
    assert errors(replace(WANTED, writes=True), with_ttl("ENABLED", "expires_at"), kept) == []


def encrypted(manager: str | None = None, **others: Any) -> Described:
    sse = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}
    return replace(table(SSEDescription=sse), key_manager=manager, **others)


SCAN = [Denied("dynamodb:Scan", ARN)]


def test_a_customer_managed_key_that_the_stack_is_not_given() -> None:
    assert f"ItemsTableKeyArn={KEY}" in only(errors(WANTED, encrypted("CUSTOMER")))
    assert f"ItemsTableKeyArn={KEY}" in only(errors(WANTED, encrypted(None, denied=SCAN)))
    assert errors(WANTED, encrypted("AWS")) == []
    assert errors(WANTED, encrypted()) == []  # it could read
    assert errors(replace(WANTED, key_arn=KEY), encrypted("CUSTOMER")) == []
    assert errors(replace(WANTED, key_arn=None), encrypted("CUSTOMER")) == []


def test_another_key_than_the_table_has() -> None:
    text = only(errors(replace(WANTED, key_arn=OTHER_KEY), encrypted()))
    assert text.endswith(f"set it to {KEY}.")
    assert errors(replace(WANTED, key_arn=KEY), FINE) == []
    assert "leave ItemsTableKeyArn empty" in warnings(replace(WANTED, key_arn=KEY), FINE)[0]


def test_a_key_whose_policy_denies_it() -> None:
    text = only(errors(replace(WANTED, key_arn=KEY), encrypted(None, denied=SCAN)))
    assert f"lacks dynamodb:Scan on {ARN}, or kms:Decrypt on {KEY}" in text


@pytest.mark.parametrize("action", ["dynamodb:DescribeTable", "dynamodb:DescribeStream", "dynamodb:Scan"])
def test_a_missing_right_names_action_and_resource(action: str) -> None:
    described = replace(FINE, denied=[Denied(action, ARN)])
    if action == "dynamodb:DescribeTable":
        described = replace(described, table=None)
    text = only(errors(WANTED, described))
    assert text == f"The stack's history function lacks {action} on {ARN}: look for what denies it."


def test_every_missing_right_is_told() -> None:
    denied = [
        Denied("dynamodb:DescribeTable", ARN),
        Denied("dynamodb:Scan", ARN),
        Denied("dynamodb:DescribeStream", STREAM),
    ]
    assert len(errors(WANTED, Described(denied=denied))) == 3


@pytest.mark.parametrize("action", ["dynamodb:DescribeTimeToLive", "kms:DescribeKey"])
def test_a_right_that_only_the_check_needs(action: str) -> None:
    described = replace(FINE, time_to_live=None, denied=[Denied(action, ARN)])
    assert errors(WANTED, described) == []
    assert f"lacks {action} on {ARN}, so" in only(warnings(WANTED, described))


def indexed(name: str, kind: str, where: str = "GlobalSecondaryIndexes") -> Described:
    return table(
        AttributeDefinitions=[*TABLE["AttributeDefinitions"], {"AttributeName": name, "AttributeType": kind}],
        **{where: [{"IndexName": "by", "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}]}]},
    )


STATUS = Pipeline(
    collections=[Collection("orders", schema={"properties": {"status": {"type": "integer"}}}, key=ORDERS.key)]
)


@pytest.mark.parametrize("where", ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"])
def test_items_that_an_index_would_refuse(where: str) -> None:
    writing = replace(WANTED, writes=True)
    assert "needs 'status' as a text" in only(errors(writing, indexed("status", "S", where), STATUS))
    assert errors(writing, indexed("status", "N", where), STATUS) == []
    assert errors(writing, indexed("status", "S", where)) == []  # the schema leaves it open
    assert errors(WANTED, indexed("status", "S", where), STATUS) == []  # nothing is written


@pytest.mark.parametrize(
    ("schema", "match", "name", "kind", "refused"),
    [
        ({"properties": {"status": {"type": ["string", "null"]}}}, {}, "status", "S", False),
        ({"properties": {"status": {"type": ["string", "number"]}}}, {}, "status", "N", False),
        ({"properties": {"status": {"type": "null"}}}, {}, "status", "N", False),
        (
            {"properties": {"a": {}, "customer": {}, "order": {}}, "additionalProperties": False},
            {},
            "status",
            "N",
            False,
        ),
        ({}, {"entity": "Order"}, "entity", "S", False),
        ({}, {"entity": "Order"}, "entity", "N", True),
        ({}, {"entity": True}, "entity", "S", True),
        ({"properties": {"customer": {"type": "string"}}}, {}, "customer", "N", False),  # no attribute
        ({"properties": {"blob": {"type": "string"}}}, {}, "blob", "B", False),  # binary in base64
    ],
)
def test_what_the_schema_says_of_an_index_key(
    schema: Mapping[str, Any], match: Mapping[str, Any], name: str, kind: str, refused: bool
) -> None:
    pipeline = Pipeline(collections=[Collection("orders", schema=schema, key=ORDERS.key, match=match or None)])
    assert bool(errors(replace(WANTED, writes=True), indexed(name, kind), pipeline)) is refused


def test_a_global_table_is_read_with_a_warning() -> None:
    described = table(Replicas=[{"RegionName": "us-east-1"}, {"RegionName": "eu-central-1"}])
    assert errors(WANTED, described) == []
    text = only(warnings(WANTED, described))
    assert "replicas in eu-central-1, us-east-1" in text
    assert "conditional write" not in text
    assert "conditional write" in warnings(replace(WANTED, writes=True), described)[0]
    assert warnings(WANTED, table(Replicas=[])) == []


def test_everything_that_is_wrong_is_told_errors_first() -> None:
    described = replace(
        table(
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            Replicas=[{"RegionName": "us-east-1"}],
        ),
        time_to_live={"TimeToLiveStatus": "ENABLED", "AttributeName": "end"},
    )
    found = check_table(PLAIN, WANTED, described)
    assert [finding.is_error for finding in found] == [True, True, True, False]


def test_sentences_are_cut_at_their_ends() -> None:
    findings = [Finding("A" * 50 + "."), Finding("B" * 50 + "."), Finding("C" * 50 + ".")]
    assert in_one_text(findings, 1000, "rest.") == " ".join(finding.text for finding in findings)
    assert in_one_text(findings, 130, "rest.") == f"{findings[0].text} {findings[1].text} 1 more: rest."
    assert in_one_text(findings, 70, "rest.") == f"{findings[0].text} 2 more: rest."
    assert in_one_text(findings, 30, "rest.") == "A" * 20 + " … rest."
    assert in_one_text([Finding("ü" * 500)], 30, "rest.") == "ü" * 10 + " … rest."
    assert len(in_one_text([Finding("\ud800" * 500)], 30, "rest.").encode()) <= 30
