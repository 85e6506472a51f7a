"""Names of resources, whatever a stack is called."""

from tests.architecture.stack import whole_template


def test_no_resource_has_the_name_of_the_stack_alone() -> None:
    """AWS may have one of that name already: each account has a schedule group `default`."""
    properties = {name: one.get("Properties", {}) for name, one in whole_template()["Resources"].items()}
    named = {(name, key) for name, of in properties.items() for key in of if key == "Name" or key.endswith("Name")}
    assert len(named) > 20
    named.discard(("HttpApi", "Name"))  # several may have one name
    assert [one for one in named if properties[one[0]][one[1]] == {"Ref": "AWS::StackName"}] == []
