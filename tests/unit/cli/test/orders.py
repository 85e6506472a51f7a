"""Orders, and what is found in a definition that counts them."""

from enum import Enum, StrEnum
from typing import Any

from cli.test.examples import check_definition
from cli.test.findings import Findings
from tailrace import Aggregate, Collection, Pipeline, Route, count, field

ORDER = {"country": "DE", "amount": 5, "tags": ["a"], "placed": "2024-01-01T10:00:00Z", "address": {"country": "DE"}}
OPEN = {"type": "object"}


def renamed(order: dict[str, Any]) -> dict[str, Any]:
    order["land"] = order.pop("country")
    return order


class Land(str, Enum):  # noqa: UP042 - its members' format() is their name
    """Members of an enum of texts."""

    GERMANY = "DE"


class Plain(StrEnum):
    """Members of an enum whose format() is their text."""

    GERMANY = "DE"


def with_member(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"country": Land(order["country"]), "plain": Plain.GERMANY}


def checked(
    *, examples: Any = (ORDER,), schema: Any = OPEN, transform: Any = None, routes: Any = (), **wanted: Any
) -> Findings:
    others = wanted.pop("collection", {})
    orders = Collection("orders", schema=schema, transform=transform, examples=examples, **others)
    wanted = {"by": [field("country")], "measures": {"n": count()}} | wanted
    aggregates = [Aggregate("a", of=orders, **wanted)]
    return check_definition(Pipeline([orders], aggregates, [Route("r", of=orders, when=one) for one in routes]))
