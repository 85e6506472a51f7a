"""The stack that CloudFormation makes of the template is the one that the architecture tests look at."""

from local.deployment.mappings import resources
from local.stack import Stack
from tests.architecture.stack import template

RENAMED = "AWS::Serverless::LayerVersion"
"""SAM appends a digest of the content to the logical id."""


def test_loops_become_the_resources_that_the_tests_expect(signed_stack: Stack) -> None:
    """Each resource without a condition is there, and there are no other alarms and routes."""
    expected = {
        name: found["Type"]
        for name, found in template()["Resources"].items()
        if found.get("Condition") in (None, "HasNoCorsOrigins") and found["Type"] != RENAMED
    }
    assert expected.keys() <= resources(signed_stack.endpoint).keys()
    for kind in ("AWS::CloudWatch::Alarm", "AWS::ApiGatewayV2::Route"):
        assert resources(signed_stack.endpoint, kind).keys() == {n for n, found in expected.items() if found == kind}
