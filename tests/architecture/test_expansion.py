"""Loops are unrolled as CloudFormation does it, and none is left in what the other tests look at.

The transform that unrolls them does more to a template, which no emulator shows.
"""

from collections.abc import Iterator
from typing import Any

from local.deployment.template import template as written
from local.review.expansion import LOOP, expand
from tests.architecture.stack import template

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::StackName}-${Name}"}}}
ALARM = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "AlarmDescription": {"Fn::FindInMap": ["Texts", {"Ref": "Name"}, "Full"]},
        "Namespace": "${Name}",
        "Dimensions": [{"Name": {"Ref": "Name"}, "Value": {"Fn::GetAtt": [{"Fn::Sub": "${Name}Queue"}, "QueueName"]}}],
        "AlarmActions": [{"Ref": "Topic"}],
    },
}


def test_a_loop_stands_for_its_resources() -> None:
    """An item is filled in for keys of the fragment, in Ref and in Fn::Sub; a plain string stays as it is."""
    given = {
        "Mappings": {"Texts": {"A": {"Full": "first"}, "B": {"Full": "second"}}},
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            f"{LOOP}Both": ["Name", ["A", "B"], {"${Name}Queue": QUEUE, "${Name}Alarm": ALARM}],
        },
    }
    found = expand(given)["Resources"]
    assert list(found) == ["Topic", "AQueue", "AAlarm", "BQueue", "BAlarm"]
    assert found["BQueue"]["Properties"]["QueueName"] == {"Fn::Sub": "${AWS::StackName}-B"}
    assert found["BAlarm"]["Properties"] == {
        "AlarmDescription": "second",
        "Namespace": "${Name}",
        "Dimensions": [{"Name": "B", "Value": {"Fn::GetAtt": ["BQueue", "QueueName"]}}],
        "AlarmActions": [{"Ref": "Topic"}],
    }


def test_no_loop_is_left() -> None:
    """What the other tests look at are resources."""
    assert all(name.isalnum() for section in ("Resources", "Outputs") for name in template()[section])
    assert not any("Fn::FindInMap" in str(found) for found in template()["Resources"].values())


def test_no_value_is_null() -> None:
    """The transform drops a key without a value: a state with `ResultPath: null` would pass on its result.

    https://github.com/aws-cloudformation/cfn-language-discussion/issues/100
    """
    assert not [path for path, value in everything(written()) if value is None]


def everything(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every value of a template with the section and the name that it belongs to."""
    yield ".".join(path[:2]), value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield from everything(inner, (*path, str(key)))
