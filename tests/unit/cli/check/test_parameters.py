"""`tailrace check` ends with the parameters of a deployment that is not refused."""

import pytest

from cli.check.command import parameters_of
from tailrace import Collection, Pipeline, Route
from tailrace.attachment.facts import ANY_ACCOUNT, Actor, Described, Wanted
from tailrace.definition.default_pipeline import DEFAULT_PIPELINE

THINGS = Collection("things", schema={})
STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/shop/stream/1"


@pytest.mark.parametrize(
    ("reference", "routes", "expected"),
    [
        (DEFAULT_PIPELINE, (), {"Routes": "None"}),
        ("mine:shop", ("paid-orders", "e-mails"), {"Pipeline": "mine:shop", "Routes": "PaidOrders,EMails"}),
    ],
)
def test_they_have_the_routes_of_the_definition(
    reference: str, routes: tuple[str, ...], expected: dict[str, str]
) -> None:
    """A deployment whose parameter names others fails."""
    pipeline = Pipeline([THINGS], routes=[Route(name, of=THINGS, when=bool) for name in routes])
    wanted = Wanted(
        table="shop",
        table_arn=f"arn:aws:dynamodb:eu-west-1:{ANY_ACCOUNT}:table/shop",
        stream_arn=STREAM,
        key_arn=None,
        actor=Actor("who", "what"),
        writes=False,
    )
    found = parameters_of(wanted, Described(), pipeline, reference)
    assert found == {"ItemsTableName": "shop", "ItemsStreamArn": STREAM} | expected
