"""Queues: a dead-letter queue behind each, room for retries, and one queue for every route."""

import json
import re
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest

from local.deployment.expansion import expand
from local.deployment.template import template as written
from tailrace.aws.runtime.settings import FanoutSettings, route_queues
from tailrace.definition.pipeline import load_pipeline
from tailrace.definition.route_names import resource_name, routes_parameter
from tests.architecture.parameters import deployed
from tests.architecture.stack import (
    ROOT,
    function_id,
    mapping_of,
    properties,
    referred,
    resources,
    spelled,
    statements,
    template,
    variables,
)

QUEUES = resources("AWS::SQS::Queue")
ENDS = {"AsyncFailuresQueue"} | {name for name in QUEUES if name.endswith("DeadLetterQueue")}
"""Queues where a failure comes to rest."""

WORKING = sorted(QUEUES.keys() - ENDS)
DAY_SECONDS = 86_400


@pytest.mark.parametrize("name", WORKING)
def test_every_queue_has_its_dead_letter_queue(name: str) -> None:
    """XQueue is backed by XDeadLetterQueue, after a few attempts; both are FIFO or neither is."""
    redrive = properties(name)["RedrivePolicy"]
    expected = name.replace("Queue", "DeadLetterQueue")
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [expected, "Arn"]}
    assert 3 <= redrive["maxReceiveCount"] <= 10
    assert properties(name).get("FifoQueue") == properties(expected).get("FifoQueue")


def test_no_dead_letter_queue_is_without_its_queue() -> None:
    """None is left over from a queue that is gone."""
    backed = {name.replace("DeadLetterQueue", "Queue") for name in ENDS if name.endswith("DeadLetterQueue")}
    assert backed == set(WORKING)


@pytest.mark.parametrize("name", sorted(ENDS - {"AsyncFailuresQueue"}))
def test_a_dead_letter_queue_takes_messages_of_its_own_queue_only(name: str) -> None:
    """By default, any queue of the account may move messages to it, without a right to it, and they would be put back.

    It names its queue, because a reference would be circular.
    """
    policy = properties(name)["RedriveAllowPolicy"]
    assert policy["redrivePermission"] == "byQueue"
    (source,) = policy["sourceQueueArns"]
    own = spelled(properties(name.replace("DeadLetterQueue", "Queue"))["QueueName"])
    assert spelled(source) == f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{own}"


def test_the_queue_of_asynchronous_failures_is_no_dead_letter_queue() -> None:
    """Lambda sends to it, with the right of a function's role; no queue does."""
    assert properties("AsyncFailuresQueue")["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}


@pytest.mark.parametrize("name", WORKING)
def test_a_dead_message_outlives_its_queue(name: str) -> None:
    """A message of a standard queue keeps its age when it moves, so it must not be nearly too old for the other."""
    dead = name.replace("Queue", "DeadLetterQueue")
    assert properties(dead)["MessageRetentionPeriod"] == 14 * DAY_SECONDS
    assert properties(name)["MessageRetentionPeriod"] <= 7 * DAY_SECONDS


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_queues_are_encrypted(name: str) -> None:
    """All of them, those for failures too."""
    assert deployed()[name]["Properties"]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("stage", ["ingest", "archive"])
def test_a_message_stays_hidden_while_its_function_tries(stage: str) -> None:
    """Six times the function's timeout and the longest window, as Lambda's guide asks (services-sqs-configure)."""
    found = mapping_of(stage)
    assert found is not None
    (queue,) = referred(found[1]["EventSourceArn"])
    longest = template()["Parameters"]["ArchiveWindowSeconds"]["MaxValue"]
    window = longest if "MaximumBatchingWindowInSeconds" in found[1] else 0
    assert properties(queue)["VisibilityTimeout"] >= 6 * properties(function_id(stage))["Timeout"] + window


def test_intake_is_fifo_with_high_throughput() -> None:
    """Order is kept per item; deduplication is by the sender's id: by content, put A, put B, put A would end as B."""
    intake = properties("IntakeQueue")
    assert intake["FifoQueue"] is True
    assert intake["FifoThroughputLimit"] == "perMessageGroupId"
    assert intake["DeduplicationScope"] == "messageGroup"
    assert intake["ContentBasedDeduplication"] is False


ROUTES = [resource_name(route.name) for route in load_pipeline().routes]


def test_every_route_has_its_queue_and_every_queue_its_purpose() -> None:
    """Route("disruptions") is Disruptions in the parameter, which makes DisruptionsQueue."""
    assert ROUTES
    assert template()["Parameters"]["Routes"]["Default"] == routes_parameter(r.name for r in load_pipeline().routes)
    assert set(WORKING) == {f"{route}Queue" for route in ROUTES} | {"IntakeQueue", "ArchiveQueue"}


@pytest.mark.parametrize(("stage", "others"), [("fanout", {"ArchiveQueue"}), ("api", QUEUES.keys())])
def test_rights_to_the_queues_of_routes_are_by_a_name_that_no_other_queue_has(stage: str, others: set[str]) -> None:
    """A stack's name has no underscore, so <stack>_* are queues of routes, and of this stack only."""
    (statement,) = [given for given in statements(stage) if "sqs:" in str(given["Action"])]
    assert statement["Action"] == {"fanout": "sqs:SendMessage", "api": "sqs:GetQueueAttributes"}[stage]
    (by_name,) = [resource for resource in statement["Resource"] if "Fn::Sub" in resource]
    assert by_name["Fn::Sub"].endswith(":${AWS::StackName}_*")
    assert referred(statement["Resource"]) == {name for name in others if not name.startswith(tuple(ROUTES))}
    for name in QUEUES:
        in_text = spelled(properties(name)["QueueName"]).removeprefix("${AWS::StackName}")
        assert in_text.startswith("_") is name.startswith(tuple(ROUTES))


@pytest.mark.parametrize("route", ROUTES)
def test_queues_of_a_route_are_named_as_the_functions_expect(route: str) -> None:
    """The functions derive the names; they are also short enough for the longest names of stacks and routes."""
    names = {suffix: spelled(properties(f"{route}{suffix}")["QueueName"]) for suffix in ("Queue", "DeadLetterQueue")}
    archive = spelled(properties("ArchiveQueue")["QueueName"])
    settings = FanoutSettings(archive_queue=archive, routes=route, failures_bucket="f", progress_table="p")
    (found,) = route_queues(settings, [route]).values()
    assert found == (names["Queue"], names["DeadLetterQueue"])
    longest_stack, longest_route, longest_queue = 25, 48, 80
    assert longest_stack + len("_-dead") + longest_route <= longest_queue


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_messages_outlive_the_stack_and_those_of_a_route_its_removal(name: str) -> None:
    """CloudFormation deletes a queue with all its messages, and without a word."""
    made = template()["Resources"][name]
    assert made["DeletionPolicy"] == {"Fn::If": ["RetainsData", "RetainExceptOnCreate", "Delete"]}
    assert made["UpdateReplacePolicy"] == {"Fn::If": ["RetainsData", "Retain", "Delete"]}


def test_a_definition_without_routes_makes_no_queue() -> None:
    """A loop over no name would be one over an empty name, so a name stands for none, and a condition for it."""
    none = deepcopy(dict(written()))
    none["Parameters"]["Routes"]["Default"] = routes_parameter([])
    found = expand(none)
    for section in ("Resources", "Outputs"):
        made = {name: one for name, one in found[section].items() if name.startswith(routes_parameter([]))}
        assert made
        assert {one["Condition"] for one in made.values()} == {"HasRoutes"}
    assert found["Conditions"]["HasRoutes"] == {
        "Fn::Not": [{"Fn::Equals": [{"Fn::Select": [0, {"Ref": "Routes"}]}, routes_parameter([])]}]
    }


def test_several_routes_are_made_alike() -> None:
    """Each has what the example's has, under its own name."""
    several = deepcopy(dict(written()))
    several["Parameters"]["Routes"]["Default"] = routes_parameter(["first", "second-one"])
    found = expand(several)
    for section, least in (("Resources", 4), ("Outputs", 2)):
        for route, other in (("First", "SecondOne"), ("SecondOne", "First")):
            made = {name: one for name, one in found[section].items() if name.startswith(route)}
            assert len(made) >= least
            assert other not in str(made)


@pytest.mark.parametrize(("routes", "fits"), [(71, True), (72, False)])
def test_a_stack_has_room_for_as_many_routes_as_the_guide_says(routes: int, fits: bool) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    several = deepcopy(dict(written()))
    several["Parameters"]["Routes"]["Default"] = routes_parameter(f"route-{number}" for number in range(routes))
    found = expand(several)["Resources"].values()
    kinds = Counter(one["Type"] for one in found)
    # SAM makes a role for each function and state machine, and a configuration for each with EventInvokeConfig
    asynchronous = sum("EventInvokeConfig" in one.get("Properties", {}) for one in found)
    made = kinds["AWS::Serverless::Function"] + kinds["AWS::Serverless::StateMachine"] + asynchronous
    assert (len(found) + made <= 500) is fits
    assert "| routes | at most 71:" in (ROOT / "docs/definition.md").read_text()


UNSET = {"ROUTES", "AWS_ENDPOINT_URL"}
"""Variables without a length of their own: the one that is looked at, and one that no deployment sets."""


def longest(value: Any) -> str:
    """Return the longest text that a variable's value may be; names of routes apart."""
    match value:
        case {"Fn::If": [_, *choices]}:
            return max(map(longest, choices), key=len)
        case {"Ref": "AWS::StackName" | "AWS::AccountId" | "AWS::Region" as name}:
            return {"AWS::StackName": "s" * 25, "AWS::AccountId": "1" * 12}.get(name, "ap-southeast-1")
        case {"Ref": "ItemsTableName"}:
            return "t" * 255
        case {"Ref": name} if name in QUEUES:
            return f"https://sqs.ap-southeast-1.amazonaws.com/{'1' * 12}/{longest(properties(name)['QueueName'])}"
        case {"Ref": name} if name in template()["Resources"]:
            named = properties(name)
            return longest(next(named[one] for one in ("TableName", "BucketName") if one in named))
        case {"Ref": name}:
            parameter = template()["Parameters"][name]
            choices = parameter.get("AllowedValues", [parameter["Default"]])
            return "x" * int(parameter.get("MaxLength") or max(map(len, map(str, choices))))
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: longest({"Ref": found[1]}), text)
    return str(value)


def test_the_names_of_routes_may_be_as_long_together_as_the_guide_says() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html: 4 KB for all variables of a function."""
    assert "take at most 2,500 characters in `Routes`" in (ROOT / "docs/definition.md").read_text()
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    for stage in ("api", "fanout"):
        own = properties(function_id(stage))["Environment"]["Variables"]
        others = {name: longest(value) for name, value in {**shared, **own}.items() if name not in UNSET}
        assert len(json.dumps(others | {"ROUTES": "r" * 2_500}, separators=(",", ":"))) <= 4096


def test_a_definition_gets_its_queues_before_its_changes() -> None:
    """Fanout would fail on a route without a queue, and a refused definition would interrupt what aggregate feeds."""
    check = properties("RouteCheck")
    assert referred(check["Queues"]) == {f"{route}Queue" for route in ROUTES}
    assert check["Code"] == {"Ref": "TailraceLayer"}
    assert check["Pipeline"] == {"Ref": "Pipeline"}
    assert check["Routes"] == {"Fn::Join": [",", {"Ref": "Routes"}]}
    for stage in ("fanout", "api"):
        assert variables(stage)["ROUTES"] == check["Routes"]
