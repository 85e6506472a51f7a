"""What keeps a stack from reading a table's stream: no such stream, another table's, an earlier one, missing images."""

from copy import replace
from typing import Any

import pytest

from tailrace.attachment.facts import Denied, Described
from tests.unit.attachment.tables import ARN, FINE, OLD, ON, STREAM, TABLE, WANTED, errors, only, table


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
