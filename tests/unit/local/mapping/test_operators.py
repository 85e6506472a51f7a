"""The operators of filter patterns: conditions on a single value."""

import pytest

from local.mapping import Filter
from tests.unit.local.mapping.patterns import fits


@pytest.mark.parametrize(
    ("rule", "fitting", "others"),
    [
        ([None], [None], ["", 0, False]),
        ([""], [""], [None, " "]),
        (["Alice"], ["Alice"], ["alice", "Alic", 1, None]),
        (["a", "b"], ["a", "b"], ["c"]),
        ([1], [1], ["1", True, 10]),
        ([True], [True], [1, "true", False]),
        ([{"prefix": "us-"}], ["us-east-1", "us-"], ["eu-us-", "US-", 1, None]),
        ([{"suffix": ".png"}], ["a.png"], ["a.PNG", "png", 1]),
        ([{"equals-ignore-case": "Alice"}], ["aLICE"], ["Alices", 1]),
        ([{"anything-but": "Raining"}], ["Sunny", "", None, 1], ["Raining"]),
        ([{"anything-but": ["a", "b"]}], ["c", 1], ["a", "b"]),
        ([{"anything-but": [100, 200]}], [300, "100"], [100, 200, 100.0]),
        ([{"numeric": ["=", 100]}], [100, 100.0], [101, "100", None]),
        ([{"numeric": [">", 10, "<=", 20]}], [10.5, 20], [10, 20.1, "15"]),
        ([{"numeric": ["<", 5]}], [-3], [5]),
        ([{"numeric": [">=", -1.5]}], [-1.5, 5e9], [-1.6, 5.1e9]),
        ([{"exists": True}], ["", None, 0, False], []),
        (["x", {"prefix": "y"}], ["x", "yes"], ["no"]),
    ],
)
def test_operators(rule: list[object], fitting: list[object], others: list[object]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    assert [value for value in fitting if not fits({"field": rule}, {"field": value})] == []
    assert [value for value in others if fits({"field": rule}, {"field": value})] == []


@pytest.mark.parametrize(
    ("rule", "fitting", "other"),
    [
        ({"prefix": {"equals-ignore-case": "Us-"}}, "uS-x", "eu-x"),
        ({"suffix": {"equals-ignore-case": ".png"}}, "a.PNG", "a.pn"),
    ],
)
def test_prefix_and_suffix_may_ignore_case(rule: object, fitting: str, other: str) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""
    assert fits({"field": [rule]}, {"field": fitting})
    assert not fits({"field": [rule]}, {"field": other})


def test_numbers_are_compared_by_value() -> None:
    """https://github.com/localstack/localstack/blob/d87aa8a3051112f6b5d8b1f94f1492e0844195f2/tests/aws/services/events/event_pattern_templates/number_comparison_float.json5

    The guide says otherwise (300, 300.0 and 3.0e2 differ), but this is a recording of the service. Beyond five billion,
    the library compares the text.
    """
    wanted = Filter.parse({"Filters": [{"Pattern": '{"n": [300, 5000000001]}'}]})
    assert [wanted.passes(f'{{"n": {text}}}') for text in ("300", "300.0", "3.0e2", '"300"')] == [
        True,
        True,
        True,
        False,
    ]
    assert [wanted.passes(f'{{"n": {text}}}') for text in ("5000000001", "5000000001.0")] == [True, False]


def test_exists_applies_only_to_leaves() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html"""
    event = {"dynamodb": {"NewImage": {"name": {"S": "x"}}}}
    assert fits({"dynamodb": {"NewImage": {"name": {"S": [{"exists": True}]}}}}, event)
    assert not fits({"dynamodb": {"NewImage": {"name": [{"exists": True}]}}}, event)
    assert fits({"dynamodb": {"NewImage": {"name": [{"exists": False}]}}}, event)
    assert fits({"dynamodb": {"NewImage": {"other": {"S": [{"exists": False}]}}}}, event)
    assert not fits({"dynamodb": {"NewImage": {"name": {"S": [{"exists": False}]}}}}, event)


def test_numeric_never_matches_a_dynamodb_number() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html"""
    event = {"dynamodb": {"Keys": {"id": {"N": "101"}}}}
    assert fits({"dynamodb": {"Keys": {"id": {"N": ["101"]}}}}, event)
    assert not fits({"dynamodb": {"Keys": {"id": {"N": [{"numeric": [">", 1]}]}}}}, event)
    assert not fits({"dynamodb": {"Keys": {"id": {"N": [101]}}}}, event)
