"""A stack that is attached to an existing table: what is created, and who may do what with the table."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.architecture.parameters import deployed
from tests.architecture.stack import STAGES, function_id, template, whole_template
from tests.review.table_rights import READS

TABLE, ACCOUNT = "shop", "111122223333"
STREAM = f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{TABLE}/stream/2024-01-01T00:00:00.000"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ATTACHED = deployed(ItemsTableName=TABLE, ItemsStreamArn=STREAM)
WRITABLE = deployed(ItemsTableName=TABLE, ItemsStreamArn=STREAM, WriteEntrances="on")
WRITING = re.compile(r"dynamodb:(Put|Update|Delete|BatchWrite|PartiQL(Update|Insert|Delete))")


def rights(resources: Mapping[str, Any], stage: str) -> dict[str, str]:
    """Return the actions of a stage's role on the foreign table or its stream, with their resource."""
    found: dict[str, str] = {}
    for policy in resources[function_id(stage)]["Properties"]["Policies"]:
        for statement in policy["Statement"]:
            resource = json.dumps(statement["Resource"])
            if "${ItemsTableName}" in resource or STREAM in resource:
                actions = statement["Action"]
                found |= dict.fromkeys([actions] if isinstance(actions, str) else actions, resource)
    return found


def test_no_items_table_is_created_and_nothing_refers_to_one() -> None:
    """A reference to a resource that is not created fails the deployment."""
    assert "ItemsTable" not in ATTACHED
    assert not re.search(r'"ItemsTable"|\$\{ItemsTable[}.]', json.dumps(ATTACHED, default=str))
    assert "ItemsTable" in deployed()


@pytest.mark.parametrize("mapping", ["FanoutMapping", "AggregateMapping"])
def test_both_readers_read_the_named_stream(mapping: str) -> None:
    """And no other."""
    assert ATTACHED[mapping]["Properties"]["EventSourceArn"] == STREAM


def test_control_rows_know_the_table_that_they_are_attached_to() -> None:
    """So that an own table is not exchanged for it under rows that count the own one."""
    assert ATTACHED["ControlRows"]["Properties"]["AttachedTable"] == TABLE
    assert ATTACHED["ControlRows"]["Properties"]["AttachedStream"] == STREAM
    own = deployed()["ControlRows"]["Properties"]
    assert (own["AttachedTable"], own["AttachedStream"]) == ("", "")


def test_it_is_checked_before_anything_reads_it() -> None:
    """Otherwise a stream without images would be read, and only the readers' errors would say so."""
    check = ATTACHED["TableCheck"]["Properties"]
    assert (check["Table"], check["StreamArn"], check["KeyArn"], check["WriteEntrances"]) == (TABLE, STREAM, "", "off")
    assert WRITABLE["TableCheck"]["Properties"]["WriteEntrances"] == "on"
    for waiting, member in (("ControlRows", "Checked"), ("RouteCheck", "After")):
        assert ATTACHED[waiting]["Properties"][member] == {"Ref": "TableCheck"}
    for mapping in ("FanoutMapping", "AggregateMapping"):
        assert ATTACHED[mapping]["DependsOn"] == "ControlRows"
    own = deployed()
    assert "TableCheck" not in own
    assert "TableCheck" not in json.dumps(own, default=str)


@pytest.mark.parametrize("resources", [ATTACHED, WRITABLE, deployed()])
def test_what_is_refused_reaches_no_function(resources: Mapping[str, Any]) -> None:
    """Nor what uses the definition or the items, until both checks have passed; history, which makes them, comes first.

    Items that an entrance has written to the table of a refused deployment would be lost when it is rolled back.
    """
    variables = {stage: resources[function_id(stage)]["Properties"]["Environment"]["Variables"] for stage in STAGES}
    waiting = {stage for stage, names in variables.items() if "ITEMS_TABLE" in names} | {"fanout", "aggregate"}
    assert waiting - {"history"} == {"api", "ingest", "load", "fanout", "aggregate"}
    for stage in waiting - {"history"}:
        assert resources[function_id(stage)]["DependsOn"] == ["ControlRows", "RouteCheck"]
    assert "DependsOn" not in resources["HistoryFunction"]


def test_every_new_definition_is_compared_with_it() -> None:
    """The key of the table may fit one definition, and not the next."""
    assert ATTACHED["TableCheck"]["Properties"]["Code"] == {"Ref": "TailraceLayer"}
    assert ATTACHED["TableCheck"]["Properties"]["Pipeline"] == deployed()["RouteCheck"]["Properties"]["Pipeline"]


def test_the_check_waits_for_the_right_to_the_key() -> None:
    """It reads an item."""
    found = deployed(ItemsTableName=TABLE, ItemsStreamArn=STREAM, ItemsTableKeyArn=KEY)
    assert found["TableCheck"]["Properties"]["After"] == {"Ref": "TableKeyRights"}
    assert found["TableCheck"]["Properties"]["KeyArn"] == KEY


def test_only_an_attached_stack_has_the_rights_of_the_check() -> None:
    """And they name one table, and the stack itself."""
    rights_of_check = {"dynamodb:DescribeTimeToLive", "cloudformation:DescribeStacks"}
    for found, expected in ((ATTACHED, rights_of_check), (deployed(), set())):
        statements = found["HistoryFunction"]["Properties"]["Policies"][0]["Statement"]
        granted = {one["Action"]: one["Resource"] for one in statements if isinstance(one["Action"], str)}
        assert granted.keys() & rights_of_check == expected
        if expected:
            assert granted["cloudformation:DescribeStacks"] == {"Ref": "AWS::StackId"}


@pytest.mark.parametrize("stage", STAGES)
def test_no_role_depends_on_the_given_stream(stage: str) -> None:
    """IAM would refuse the ARN of another partition before the check can say what is wrong with it."""
    assert STREAM not in json.dumps(ATTACHED[function_id(stage)]["Properties"]["Policies"], default=str)


@pytest.mark.parametrize("is_attached", [True, False])
def test_jobs_read_the_stream_of_an_attached_table_alone(is_attached: bool) -> None:
    """On the stack's own, sentinels say how far the stream is read; there, nobody may write one."""
    statements = (ATTACHED if is_attached else deployed())["HistoryFunction"]["Properties"]["Policies"][0]["Statement"]
    by_name = {one["Sid"]: one for one in statements}
    assert ("ReadStream" in by_name, "WriteSentinels" in by_name) == (is_attached, not is_attached)
    if is_attached:
        assert by_name["ReadStream"]["Action"] == ["dynamodb:GetRecords", "dynamodb:GetShardIterator"]


@pytest.mark.parametrize("stage", STAGES)
def test_no_role_may_write_to_it(stage: str) -> None:
    """Not even a sentinel; and an entrance that may not write has no right at all."""
    assert rights(ATTACHED, stage).keys() <= READS
    if stage in ("load", "ingest", "archive", "catalog"):
        assert not rights(ATTACHED, stage)


@pytest.mark.parametrize("stage", STAGES)
def test_with_the_entrances_on_the_entrances_may_write_and_nobody_else(stage: str) -> None:
    """The jobs still write nothing."""
    may_write = any(WRITING.match(action) for action in rights(WRITABLE, stage))
    assert may_write is (stage in ("load", "ingest", "api"))


@pytest.mark.parametrize(
    ("chosen", "table", "expected"),
    [
        ("auto", "", "on"),
        ("auto", TABLE, "off"),
        ("on", TABLE, "on"),
        ("on", "", "on"),
        ("off", TABLE, "off"),
        ("off", "", "off"),
    ],
)
def test_the_functions_know_what_they_may_do(chosen: str, table: str, expected: str) -> None:
    """By default, an own table is written and a foreign one is not."""
    found = deployed(WriteEntrances=chosen, ItemsTableName=table, ItemsStreamArn=STREAM if table else "")
    for stage in ("load", "ingest", "api"):
        variables = found[function_id(stage)]["Properties"]["Environment"]["Variables"]
        assert variables["WRITE_ENTRANCES"] == expected
        may_write = bool(WRITING.search(json.dumps(found[function_id(stage)]["Properties"]["Policies"])))
        assert may_write or expected == "off"
    history = found["HistoryFunction"]["Properties"]["Environment"]["Variables"]
    assert history["ATTACHED_STREAM"] == (STREAM if table else "")


def test_roles_that_read_it_may_use_its_key() -> None:
    """Through DynamoDB, and to decrypt only."""
    assert "TableKeyRights" not in ATTACHED
    found = deployed(ItemsTableName=TABLE, ItemsStreamArn=STREAM, ItemsTableKeyArn=KEY)["TableKeyRights"]["Properties"]
    reading = {f"{function_id(stage)}Role" for stage in STAGES if rights(ATTACHED, stage)}
    assert {role["Ref"] for role in found["Roles"]} == reading
    (statement,) = found["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", KEY)


def test_table_and_stream_come_together() -> None:
    """A rule refuses one without the other before anything is created."""
    needs = {}
    for rule in template()["Rules"].values():
        (((given, _),),) = [rule["RuleCondition"]["Fn::Not"][0].values()]
        needs[given["Ref"]] = json.dumps(rule["Assertions"][0]["Assert"])
    for given, needed in (
        ("ItemsTableName", "ItemsStreamArn"),
        ("ItemsStreamArn", "ItemsTableName"),
        ("ItemsTableKeyArn", "ItemsTableName"),
    ):
        assert json.dumps({"Ref": needed}) in needs[given]


@pytest.mark.parametrize("output", ["ItemsTable", "ItemsTableStream"])
def test_the_outputs_name_what_is_read(output: str) -> None:
    """Whichever it is."""
    condition, foreign, _ = whole_template()["Outputs"][output]["Value"]["Fn::If"]
    assert condition == "HasForeignTable"
    assert foreign["Ref"] in ("ItemsTableName", "ItemsStreamArn")
