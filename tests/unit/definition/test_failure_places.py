"""Failures of every kind in the user's code, in helpers elsewhere, and those that a process must survive."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailrace import Aggregate, Collection, Pipeline, Route, count, field, maximum, total
from tailrace.aggregation.evaluator import Evaluator
from tailrace.errors import InvalidItem
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event, history

MODULES = {
    "acme/__init__.py": "",
    "acme/orders/__init__.py": "",
    "acme/orders/definition.py": (
        "from acme.rates import rate_of\nfrom acme_common.money import cents\n"
        "def with_rate(order):\n    return order | {'rate': rate_of(order)}\n"
        "def with_cents(order):\n    return order | {'cents': cents(order)}\n"
        "def with_json(order):\n    import json\n    return json.loads(order['text'])\n"
    ),
    "acme/rates.py": "def rate_of(order):\n    return order['vat']\n",
    "acme_common/__init__.py": "",
    "acme_common/money.py": "def cents(order):\n    return order['net'] * 100\n",
    "tailrace_extras/__init__.py": "def shout(order):\n    return order['name'].upper()\n",
}


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda module, name: getattr(importlib.import_module(module), name)
    for module in [name for name in sys.modules if name.partition(".")[0] in ("acme", "acme_common")]:
        del sys.modules[module]


def reason(transform: Callable[..., Any], item: dict[str, Any]) -> str:
    with pytest.raises(InvalidItem) as caught:
        Collection("orders", schema={}, transform=transform).prepare(item)
    (found,) = caught.value.violations
    return found.message


def test_a_helper_of_the_same_package_is_where_it_happened(acme: Callable[[str, str], Any]) -> None:
    assert reason(acme("acme.orders.definition", "with_rate"), {}) == "KeyError: 'vat', in rate_of (acme/rates.py:2)"


def test_a_helper_of_another_package_is_named_with_the_line_that_called_it(acme: Callable[[str, str], Any]) -> None:
    assert reason(acme("acme.orders.definition", "with_cents"), {}) == (
        "KeyError: 'net', in with_cents (orders/definition.py:6), which called cents (acme_common/money.py:2)"
    )


def test_the_standard_library_is_not_where_it_happened(acme: Callable[[str, str], Any]) -> None:
    told = reason(acme("acme.orders.definition", "with_json"), {"text": "{"})
    assert told.startswith("JSONDecodeError: ")
    assert told.endswith(", in with_json (orders/definition.py:9)")


def test_a_package_whose_name_begins_like_the_engines_is_the_users(acme: Callable[[str, str], Any]) -> None:
    assert reason(acme("tailrace_extras", "shout"), {}) == "KeyError: 'name', in shout (tailrace_extras/__init__.py:2)"


class Untellable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def raise_from(order: dict[str, Any]) -> Any:
    try:
        return order["vat"]
    except KeyError as error:
        raise ValueError("no rate") from error


def raise_in_handler(order: dict[str, Any]) -> Any:
    try:
        return order["vat"]
    except KeyError:
        return order["rate"]


def raise_from_none(order: dict[str, Any]) -> Any:
    try:
        return order["vat"]
    except KeyError:
        raise ValueError("no rate") from None


def raise_without_message(_order: Any) -> Any:
    raise RuntimeError


def raise_untellable(_order: Any) -> Any:
    raise Untellable


def raise_group(_order: Any) -> Any:
    raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])


def leave(_order: Any) -> Any:
    sys.exit("enough")


def stop(_order: Any) -> Any:
    return next(iter(()))


def recurse(order: Any) -> Any:
    return recurse(order)


def compare(order: dict[str, Any]) -> Any:
    assert order.get("vat")
    return order["net"]


KINDS: dict[Callable[..., Any], tuple[str, str]] = {
    raise_from: ("ValueError: no rate, in raise_from (", "; because of KeyError: 'vat', in raise_from ("),
    raise_in_handler: (
        "KeyError: 'rate', in raise_in_handler (",
        "; because of KeyError: 'vat', in raise_in_handler (",
    ),
    raise_from_none: ("ValueError: no rate, in raise_from_none (", "test_failure_places.py:"),
    raise_without_message: ("RuntimeError, in raise_without_message (", "test_failure_places.py:"),
    raise_untellable: ("Untellable, in raise_untellable (", "test_failure_places.py:"),
    raise_group: ("ExceptionGroup: two (2 sub-exceptions), in raise_group (", ""),
    leave: ("SystemExit: enough, in leave (", ""),
    stop: ("StopIteration, in stop (", ""),
    recurse: ("RecursionError: maximum recursion depth exceeded", ", in recurse ("),
    compare: ("AssertionError", ", in compare ("),
}


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
def test_every_kind_of_failure_is_told(function: Callable[..., Any]) -> None:
    beginning, part = KINDS[function]
    told = reason(function, {})
    assert told.startswith(beginning)
    assert part in told


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
def test_every_kind_of_failure_concerns_one_aggregate_and_one_route_only(function: Callable[..., Any]) -> None:
    orders = Collection("orders", schema={})
    aggregates = [
        Aggregate("whole", of=orders, by=[field("shop")], measures={"n": count()}, where=function),
        Aggregate("linear", of=orders, by=[field("shop")], measures={"n": total("net", where=function)}),
        Aggregate("ordered", of=orders, by=[field("shop")], measures={"n": maximum("net", where=function)}),
        Aggregate("spread", of=orders, each="lines", by=[field("shop")], measures={"n": count(where=function)}),
        Aggregate("good", of=orders, by=[field("shop")], measures={"n": count()}),
    ]
    item = {"shop": "a", "net": 1, "lines": [1]}
    _, (*failed, good) = Evaluator(orders, aggregates).contributions(item)
    assert not isinstance(good, InvalidItem)
    for aggregate, found in zip(aggregates, failed, strict=False):
        assert isinstance(found, InvalidItem)
        assert f"aggregate {aggregate.name!r}" in str(found)
        assert str(found).count("because of") <= 1
    pipeline = Pipeline([orders], aggregates, [Route("some", of=orders, when=function)])
    records = event(history("orders", [("1", item)]))
    (report,) = dispatch(parse_raw_batch(records), pipeline, PreparedImages(pipeline)).quarantine
    assert "route 'some'" in report.object.body.decode()
