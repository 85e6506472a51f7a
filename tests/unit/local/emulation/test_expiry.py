"""TTL on the emulator: set by the template, with a record of each expired item, and none of what expired long ago."""

import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from local.deployment.deploy import client
from local.deployment.emulator import Emulator
from local.emulation.expiry import FIVE_YEARS_S, REAPER, recording


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator.start()
    yield running
    running.stop()


def template(**setting: Any) -> str:
    properties = {
        "TableName": "rows",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        **({"TimeToLiveSpecification": setting} if setting else {}),
    }
    return json.dumps({"Resources": {"Rows": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}})


def test_a_table_has_the_ttl_of_its_template(emulator: Emulator) -> None:
    stacks, dynamodb = client("cloudformation", emulator.endpoint), client("dynamodb", emulator.endpoint)

    def found() -> Any:
        return dynamodb.describe_time_to_live(TableName="rows")["TimeToLiveDescription"]

    stacks.create_stack(StackName="s", TemplateBody=template(AttributeName="expires_at", Enabled=True))
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    assert found() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    stacks.update_stack(StackName="s", TemplateBody=template(AttributeName="expires_at", Enabled=False))
    stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    assert found()["TimeToLiveStatus"] == "DISABLED"


@pytest.mark.parametrize(("age_s", "is_removed"), [(60, True), (FIVE_YEARS_S - 60, True), (FIVE_YEARS_S + 60, False)])
def test_what_expired_within_five_years_is_removed_with_a_record(age_s: float, is_removed: bool) -> None:
    item = {"pk": {"S": "a"}, "expires_at": {"N": str(int(time.time() - age_s))}}
    table: dict[str, Any] = {"TableName": "rows", "items": {"a": {"__no_sort__": item}}}
    settings = SimpleNamespace(all_items=lambda: [(("account", "region", "rows"), {"AttributeName": "expires_at"})])
    records: list[Any] = []

    def remove(table: Any, partition: str, sort: str) -> Any:
        return table["items"][partition].pop(sort)

    removed = recording(remove, lambda *record: records.append(record), settings)
    reaper = threading.Thread(target=removed, args=(table, "a", "__no_sort__"), name=REAPER)
    reaper.start()
    reaper.join()
    assert records == ([("rows", "REMOVE", item, None)] if is_removed else [])
    assert table["items"]["a"] == ({} if is_removed else {"__no_sort__": item})


def test_whoever_deletes_an_item_writes_the_record() -> None:
    records: list[Any] = []
    removed = recording(lambda *_: {"pk": {"S": "a"}}, lambda *record: records.append(record), None)
    assert removed({"TableName": "rows"}, "a", "") == {"pk": {"S": "a"}}
    assert records == []
