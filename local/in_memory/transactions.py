"""Transactions of updates: all are written, or none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from local.in_memory.errors import Rejected, Unsupported, client_error, invalid

type Json = dict[str, Any]
type Prepared = tuple[tuple[str, tuple[str, ...]], Callable[[], Any]]
"""An update that would succeed: the row that it writes, and what writes it."""

_MAX_ACTIONS = 100
_CONDITION_FAILED = "ConditionalCheckFailedException"
_CANCELED = "TransactionCanceledException"


def transact(actions: Sequence[Mapping[str, Json]], prepare: Callable[[Json], Prepared]) -> None:
    """Apply updates to different rows, all or none.

    Raises:
        Rejected: there are too many, or two of one row, or one is invalid.
        ClientError: at least one's condition fails; there is a reason for each.
    """
    if not 1 <= len(actions) <= _MAX_ACTIONS:
        raise invalid(f"1 to {_MAX_ACTIONS} actions, not {len(actions)}")
    prepared: list[Prepared] = []
    reasons: list[Json] = []
    for action in actions:
        if action.keys() != {"Update"}:
            raise Unsupported(f"a transaction with {sorted(action)}")
        try:
            prepared.append(prepare(action["Update"]))
            reasons.append({"Code": "None"})
        except Rejected as error:
            if error.code != _CONDITION_FAILED:
                raise
            shown = {} if error.item is None else {"Item": dict(error.item)}
            reasons.append({"Code": "ConditionalCheckFailed", "Message": error.message} | shown)
    if len({row for row, _ in prepared}) < len(prepared):
        raise invalid("Transaction request cannot include multiple operations on one item")
    if len(prepared) < len(actions):
        raise canceled(reasons)
    for _, write in prepared:
        write()


def canceled(reasons: Sequence[Json]) -> ClientError:
    """Return the error of a canceled transaction, with a reason for each of its actions."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    error = client_error("TransactWriteItems", _CANCELED, message)
    response: Any = error.response
    response["CancellationReasons"] = list(reasons)
    return error
