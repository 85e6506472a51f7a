"""The cloud of the tests: several threads of a function may use it."""

import threading
import time
from typing import Any

import pytest
from moto.dynamodb.models.dynamo_type import DynamoType

from tests.concurrency import WRITERS, run_concurrently
from tests.unit.aws.conftest import Cloud


def test_rows_of_a_new_partition_that_threads_write_at_the_same_time_are_all_kept(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.local()

    def slow_hash(value: Any) -> int:
        time.sleep(next(waits.seconds, 0))
        return hash((value.type, value.cast_value))

    def write(writer: int) -> None:
        waits.seconds = iter((0.01, 0.01 * writer))  # all miss the partition, and then make it one after the other
        cloud.dynamodb.update_item(
            TableName="aggregates",
            Key={"pk": {"S": "new"}, "sk": {"S": str(writer)}},
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": {"N": "1"}},
        )

    with monkeypatch.context() as patch:
        patch.setattr(DynamoType, "__hash__", slow_hash)
        run_concurrently(write)
    assert cloud.dynamodb.scan(TableName="aggregates")["Count"] == WRITERS
