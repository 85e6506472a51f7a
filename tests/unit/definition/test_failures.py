"""A failure of the user's code says where it happened: function, file and line, and for which aggregate or route."""

from collections.abc import Callable
from functools import partial, wraps
from operator import itemgetter
from typing import Any

import pytest

from tailrace import Aggregate, Collection, Pipeline, Route, count, day, field, first, maximum, mean, total
from tailrace.aggregation.evaluator import Evaluator
from tailrace.definition.failures import describe_failure
from tailrace.errors import InvalidItem
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event, history

HERE = "definition/test_failures.py"


def rate_of(order: dict[str, Any]) -> Any:
    return order["vat"]


def with_tax(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"gross": order["net"] * rate_of(order)}


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*given: Any) -> Any:
        return function(*given)

    return call


class Predicate:
    def __call__(self, order: dict[str, Any]) -> Any:
        return order["vat"]


def line_of(function: Callable[..., Any], beyond: int = 1) -> int:
    return function.__code__.co_firstlineno + beyond


def failure(function: Callable[..., Any], item: Any) -> str:
    try:
        function(item)
    except Exception as error:  # noqa: BLE001 - any
        return describe_failure(error, function)
    raise AssertionError("did not fail")


@pytest.mark.parametrize(
    ("function", "place"),
    [
        (with_tax, f"rate_of ({HERE}:{line_of(rate_of)})"),
        (decorated(with_tax), f"rate_of ({HERE}:{line_of(rate_of)})"),
        (partial(decorated(rate_of)), f"rate_of ({HERE}:{line_of(rate_of)})"),
        (Predicate(), f"__call__ ({HERE}:{line_of(Predicate.__call__)})"),
        (lambda order: order["vat"], "<lambda> (" + HERE),
        (itemgetter("vat"), "itemgetter"),
    ],
)
def test_a_failure_names_the_innermost_line_of_the_users_code(function: Callable[..., Any], place: str) -> None:
    assert failure(function, {"net": 100}).startswith(f"KeyError: 'vat', in {place}")


def test_a_failing_transform_names_its_line() -> None:
    orders = Collection("orders", schema={}, transform=with_tax)
    with pytest.raises(InvalidItem) as caught:
        orders.prepare({"net": 100})
    (found,) = caught.value.violations
    assert (found.keyword, found.message) == (
        "transform",
        f"KeyError: 'vat', in rate_of ({HERE}:{line_of(rate_of)})",
    )


def test_a_transform_that_returns_the_wrong_thing_is_named() -> None:
    def broken(_order: Any) -> Any:
        return {"a": object()}

    def none(_order: Any) -> Any:
        return None

    for function, text in ((broken, f"in broken ({HERE}:{line_of(broken, 0)})"), (none, "transform none returned")):
        with pytest.raises(InvalidItem, match=text.replace("(", r"\(").replace(")", r"\)")):
            Collection("orders", schema={}, transform=function).prepare({})


orders = Collection("orders", schema={"type": "object"})
AGGREGATES = [
    Aggregate("daily", of=orders, by=[day("at")], measures={"n": count()}),
    Aggregate("shops", of=orders, by=[field("shop"), day("at")], measures={"n": count()}),
    Aggregate("latest", of=orders, by=[field("shop")], measures={"last": first("net", by="at")}),
    Aggregate("taxed", of=orders, by=[field("shop")], measures={"n": count()}, where=lambda order: order["vat"] > 0),
    Aggregate("rates", of=orders, by=[field("shop")], measures={"rate": mean("net", where=rate_of)}),
    Aggregate("most", of=orders, by=[field("shop")], measures={"most": maximum("net", where=rate_of)}),
    Aggregate("sums", of=orders, by=[field("shop")], measures={"revenue": total("shop")}),
]
REASONS = {
    "daily": ("/at", "not a time: 'yesterday'"),
    "shops": ("/at", "not a time: 'yesterday'"),
    "latest": ("/at", "measure 'last': not a time: 'yesterday'"),
    "taxed": ("", f"KeyError: 'vat', in <lambda> ({HERE}:"),
    "rates": ("", f"measure 'rate': KeyError: 'vat', in rate_of ({HERE}:{line_of(rate_of)})"),
    "most": ("", f"measure 'most': KeyError: 'vat', in rate_of ({HERE}:{line_of(rate_of)})"),
    "sums": ("/shop", "measure 'revenue': cannot sum a value of type str"),
}


def test_each_aggregate_that_cannot_count_an_item_is_named() -> None:
    _, found = Evaluator(orders, AGGREGATES).contributions({"shop": "a", "net": 1, "at": "yesterday"})
    for aggregate, contribution in zip(AGGREGATES, found, strict=True):
        assert isinstance(contribution, InvalidItem)
        (violation,) = contribution.violations
        pointer, reason = REASONS[aggregate.name]
        assert violation.pointer == pointer
        assert violation.message.startswith(f"aggregate {aggregate.name!r}: {reason}")


def test_quarantine_names_aggregates_and_routes() -> None:
    routes = [Route("taxes", of=orders, when=rate_of)]
    pipeline = Pipeline([orders], AGGREGATES, routes)
    records = history("orders", [("1", {"shop": "a", "net": 1, "at": "yesterday"})])
    (report,) = dispatch(parse_raw_batch(event(records)), pipeline, PreparedImages(pipeline)).quarantine
    text = report.object.body.decode()
    assert all(f"aggregate '{aggregate.name}'" in text for aggregate in AGGREGATES)
    assert f"route 'taxes': KeyError: 'vat', in rate_of ({HERE}:{line_of(rate_of)})" in text
