"""Why an item is not counted is told by that item alone, whatever was cached before it."""

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.plan import plan_of
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem
from tests.properties.aggregation.things import (
    inner,
    merged,
    raw,
    records_of,
    regular,
    summed,
    things,
)

numeric = st.sampled_from(
    [0, 1, 1, 1, 10**18 - 1, 10**19 + 1, -(10**19) - 1, 10**38, True, Decimal("1.5"), Decimal("1E-100"), "7", None]
)
similar = st.fixed_dictionaries(
    {
        "shop": st.just("a"),
        "at": st.sampled_from(["2024-10-27T00:30:00Z", "2024-10-27T00:30:00Z", "yesterday"]),
        "in": st.fixed_dictionaries({"shop": st.just("a"), "amount": numeric}),
        "amount": numeric,
        "lines": numeric,
        "share": st.sampled_from([1, 1, 1, 0]),
    },
    optional={"paid": st.sampled_from([True, True, False])},
)


@given(st.lists(st.one_of(similar, similar, regular, things), max_size=12))
def test_why_an_item_is_not_counted_does_not_depend_on_the_items_before(items: list[Any]) -> None:
    for pipeline in (summed, raw, inner):
        plan = plan_of(pipeline)
        for item in items:
            with localcontext(EXACT):
                _, amounts = plan.evaluators["things"].contributions(item)
            expected = [one.violations for one in amounts if isinstance(one, InvalidItem)]
            assert [one.violations for one in plan.cached["things"].uncountable(item)] == expected


@pytest.mark.parametrize(
    "changed_fields",
    [
        {"amount": "7"},
        {"amount": True},
        {"in": {"shop": "a", "amount": [1]}},
        {"lines": 10**19 + 1},
        {"lines": -(10**19) - 1},
        {"share": 0},
        {"at": "yesterday"},
    ],
)
def test_an_item_like_one_that_was_counted_is_examined_itself(changed_fields: dict[str, Any]) -> None:
    whole = {"amount": 1, "lines": 1, "share": 1, "in": {"shop": "a", "amount": 1}}
    item = whole | {"shop": "a", "at": "2024-10-27T00:30:00Z", "paid": True}
    evaluator = plan_of(summed).cached["things"]
    assert evaluator.uncountable(item) == []
    assert evaluator.uncountable(item | changed_fields)


def test_an_item_is_reported_once_whenever_it_becomes_uncountable() -> None:
    whole = {"shop": "a", "at": "2024-10-27T00:30:00Z", "in": {"shop": "a"}, "paid": True, "share": 1, "amount": 1}
    text, other, moved = whole | {"amount": "7"}, whole | {"amount": "8"}, whole | {"amount": "7", "shop": "b"}
    steps = [(None, text), (text, other), (other, moved), (moved, whole), (whole, text), (text, None), (None, whole)]
    folded = fold_records(records_of("things", [(*step, False) for step in steps]), summed)
    reported = [(int(one.event_id, 16), one.aggregate) for one in folded.poison]
    assert reported == [(number, name) for number in (1, 5) for name in ("hours", "shops")]
    assert merged(folded) == merged(fold_records(records_of("things", [(None, whole, False)]), summed))
