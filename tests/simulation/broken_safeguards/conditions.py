"""Safeguards of a row's marks and of the conditions on its writes, each broken in turn."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from tailrace.aggregation import marks
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates import commit, lineages
from tailrace.aws.aggregates import update_expressions as writes
from tailrace.encoding.json_types import Json

type Breakage = Callable[[], AbstractContextManager[Any]]

_MARK = re.compile(r"\(attribute_not_exists\((#\d+)\) OR \1 < (:\d+)\)")
_VERSION = re.compile(r"(attribute_not_exists\(#\d+\)|#\d+ = (:\d+))$")


def _requests(change: Callable[[Json, re.Match[str]], None], condition: re.Pattern[str] = _MARK) -> Breakage:
    """Change every conditional UpdateItem."""
    update = writes.update_request

    def changed(*arguments: Any) -> Json:
        request = update(*arguments)
        found = condition.search(request.get("ConditionExpression", ""))
        if found is not None:
            change(request, found)
        return request

    return lambda: patch.object(commit, "update_request", changed)


def _write_no_mark(request: Json, condition: re.Match[str]) -> None:
    mark = condition[1]
    request["UpdateExpression"] = re.sub(rf"(?<!\w){mark} = ", "#elsewhere = ", request["UpdateExpression"])
    request["ExpressionAttributeNames"]["#elsewhere"] = "~elsewhere"


def _write_always(request: Json, condition: re.Match[str]) -> None:
    others = request["ConditionExpression"].replace(condition[0], "").removeprefix(" AND ").removesuffix(" AND ")
    if others:
        request["ConditionExpression"] = others
    else:
        request.pop("ConditionExpression")
        request.pop("ReturnValuesOnConditionCheckFailure")
    if condition[2]:
        request["ExpressionAttributeValues"].pop(condition[2])


def _write_at_the_mark_too(request: Json, _condition: re.Match[str]) -> None:
    request["ConditionExpression"] = request["ConditionExpression"].replace("<", "<=")


def _write_new_rows_only(request: Json, condition: re.Match[str]) -> None:
    only = f"attribute_not_exists({condition[1]})"
    request["ConditionExpression"] = request["ConditionExpression"].replace(condition[0], only)
    request["ExpressionAttributeValues"].pop(condition[2])


def _mark_as_number(request: Json, _condition: re.Match[str]) -> None:
    for value in request["ExpressionAttributeValues"].values():
        if re.fullmatch(r"[0-9a-f]{34}", value.get("S", "")):
            value["N"] = str(int(value.pop("S"), 16))


def _mark_too_far(request: Json, condition: re.Match[str]) -> None:
    written = re.search(rf"(?<!\w){condition[1]} = (:\d+)", request["UpdateExpression"])
    if written is not None:
        value = request["ExpressionAttributeValues"][written[1]]
        value["S"] = f"{int(value['S'], 16) + 1:034x}"


def _statements_without_condition() -> AbstractContextManager[Any]:
    statement = writes.partiql_statement

    def unconditional(*arguments: Any) -> Any:
        made = statement(*arguments)
        text, *_ = made["Statement"].rpartition(" AND ")
        return {"Statement": text, "Parameters": list(made["Parameters"])[:-1]}

    return patch.object(commit, "partiql_statement", unconditional)


def _condition_on_the_last_change() -> AbstractContextManager[Any]:
    return patch.object(RowChange, "first", property(lambda row: row.last))


def _no_refold() -> AbstractContextManager[Any]:
    # a partly absorbed change counts as absorbed
    return patch.object(commit, "mark_of", lambda _found, _lineage: 10**41)


def _whole_again() -> AbstractContextManager[Any]:
    # a partly absorbed change is written again as a whole, under a condition that is always true
    def everything(row: RowChange, mark: int) -> RowChange:
        return row.with_steps([(sequence + mark + 1, deltas) for sequence, deltas in row.steps])

    return patch.object(RowChange, "after_mark", everything)


def _same_mark_for_both_halves() -> AbstractContextManager[Any]:
    """Let each shard continue its parent's mark, even if the parent has two children."""
    return patch.object(lineages, "lineage_of", lambda _shard, of_parent, _claim_successor, _now: of_parent)


def _one_mark_for_all_shards() -> AbstractContextManager[Any]:
    return patch.object(marks, "mark_attribute", lambda _shard: "~mark")


def _no_mark() -> AbstractContextManager[Any]:
    whole = commit.Committer.commit
    return patch.object(commit.Committer, "commit", lambda self, rows, _lineage: whole(self, rows, None))


BROKEN_CONDITIONS: dict[str, Breakage] = {
    "the mark is not written": _requests(_write_no_mark),
    "the write has no condition": _requests(_write_always),
    "the condition accepts the mark itself": _requests(_write_at_the_mark_too),
    "the condition accepts only new rows": _requests(_write_new_rows_only),
    "the mark is a number": _requests(_mark_as_number),
    "the mark is one too high": _requests(_mark_too_far),
    "the mark is not padded": lambda: patch.object(writes, "encode_sequence", "{:x}".format),
    "the mark is padded for short numbers only": lambda: patch.object(
        writes, "encode_sequence", lambda number: f"{number:018x}"
    ),
    "all shards share a mark": _one_mark_for_all_shards,
    "changes are folded without marks": _no_mark,
    "the condition uses the last change": _condition_on_the_last_change,
    "the statement has no condition": _statements_without_condition,
    "an overlap is skipped": _no_refold,
    "an overlap is written as a whole": _whole_again,
    "order measures are written without checking the version": _requests(_write_always, _VERSION),
    "both halves of a split share a mark": _same_mark_for_both_halves,
    "the mark of a split shard is dropped at once": lambda: patch.object(
        marks, "REDELIVERY_HORIZON", timedelta(hours=-1)
    ),
}
