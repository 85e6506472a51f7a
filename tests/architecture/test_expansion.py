"""Loops are unrolled as CloudFormation does it, and none is left in what the other tests look at.

The transform that unrolls them does more to a template, which no emulator shows.
"""

import re
from collections.abc import Iterator
from typing import Any

from local.deployment.expansion import LOOP, expand
from local.deployment.template import template as written
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
    """CloudFormation's transform dropped null until 2023, and SAM CLI's does so: a state would pass on its result.

    https://github.com/aws-cloudformation/cfn-language-discussion/issues/100
    """
    assert not [path for path, value in everything(written()) if value is None]


def test_whatever_is_selected_exists() -> None:
    """The transform selects from a parameter that has its default, also where a condition leaves the value out.

    https://github.com/aws-cloudformation/cfn-language-discussion/issues/159
    """
    found = [(path, value["Fn::Select"]) for path, value in everything(written()) if is_call(value, "Fn::Select")]
    known = [(path, index, members) for path, (index, source) in found if (members := listed(source)) is not None]
    assert {path for path, _, _ in known} >= {"Conditions.HasRoutes", "Resources.ApiVersion"}
    assert not [path for path, index, members in known if index >= len(members)]


def test_a_text_that_names_a_loop_s_item_names_nothing_else() -> None:
    """The transform has left ${Item} as it is in a text with ${AWS::StackName}, or with a parameter.

    https://github.com/aws-cloudformation/cfn-language-discussion/issues/151 and 136
    """
    loops = [
        member
        for _, value in everything(written())
        if isinstance(value, dict)
        for name, member in value.items()
        if name.startswith(LOOP)
    ]
    assert loops
    for identifier, _, fragment in loops:
        texts = [str(value["Fn::Sub"]) for _, value in everything(fragment) if is_call(value, "Fn::Sub")]
        names = [set(re.findall(r"\$\{([\w:.]+)\}", text)) for text in texts]
        assert not [found for found in names if identifier in found and found != {identifier}]


def everything(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every value of a template with the section and the name that it belongs to."""
    yield ".".join(path[:2]), value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield from everything(inner, (*path, str(key)))


def is_call(value: Any, function: str) -> bool:
    """Tell whether a value is a call of an intrinsic function."""
    return isinstance(value, dict) and value.keys() == {function}


def listed(source: Any) -> list[str] | None:
    """Return the members of a list as the defaults of parameters decide it; None if only a deployment does."""
    match source:
        case {"Ref": str()}:
            text = default(source)
            return None if text is None else text.split(",")
        case {"Fn::Split": [str(separator), part]}:
            text = default(part)
            return None if text is None else text.split(separator)
    return None


def default(part: Any) -> str | None:
    """Return a text as the defaults of parameters decide it; None if only a deployment does."""
    match part:
        case str():
            return part
        case {"Ref": str(name)} if name in written()["Parameters"]:
            return str(written()["Parameters"][name].get("Default", ""))
        case {"Fn::Join": [str(separator), list(parts)]}:
            texts = [text for text in map(default, parts) if text is not None]
            return separator.join(texts) if len(texts) == len(parts) else None
    return None
