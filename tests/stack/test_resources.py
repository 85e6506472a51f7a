"""CloudFormation creates the resources that the architecture tests assume."""

from local.deployment.mappings import resources
from local.stack import Stack
from tests.architecture.parameters import deployed

RENAMED = "AWS::Serverless::LayerVersion"
"""SAM appends a content digest to the logical id."""


def test_loops_expand_to_the_expected_resources(signed_stack: Stack) -> None:
    """All unconditional resources exist, and there are no other alarms and routes."""
    expected = {name: found["Type"] for name, found in deployed().items() if found["Type"] != RENAMED}
    assert expected.keys() <= resources(signed_stack.endpoint).keys()
    for kind in ("AWS::CloudWatch::Alarm", "AWS::ApiGatewayV2::Route"):
        assert resources(signed_stack.endpoint, kind).keys() == {n for n, found in expected.items() if found == kind}
