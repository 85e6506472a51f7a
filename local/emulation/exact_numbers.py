"""Numbers on the emulator: a sum keeps all of its 38 digits, and one with more is refused, as on AWS.

The emulator adds with the 28 digits of Python's default, and transactions and PartiQL do not check what they store.
"""

from collections.abc import Callable, Iterable
from decimal import localcontext
from typing import Any

DIGITS = 400
"""Enough to add any two numbers that a table can store: magnitudes from 1E-130 to 9.99…E+125."""

type Json = dict[str, Any]


def add_exactly(dynamodb: Json) -> None:
    """Let the emulator's module with these names add exactly, in expressions, updates of the old form and PartiQL."""
    refusal: Callable[[str], str | None] = dynamodb["_number_error"]

    def exact(apply: Callable[..., Any], values_of: Callable[[Any], Iterable[Any]]) -> Callable[..., Any]:
        def applied(*call: Any) -> Any:
            with localcontext(prec=DIGITS):
                result = apply(*call)
            for value in values_of(result):
                if value and "N" in value and (reason := refusal(value["N"])) is not None:
                    raise ValueError(reason)
            return result

        return applied

    for name, values_of in _RESULTS.items():
        dynamodb[name] = exact(dynamodb[name], values_of)


_RESULTS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "_apply_update_expression": lambda result: result[0].values(),  # the item, and what has changed
    "_apply_attribute_updates": lambda _: (),  # the emulator checks them itself
    "_pq_eval": lambda value: (value,),
}
