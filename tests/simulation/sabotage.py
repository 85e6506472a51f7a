"""Safeguards, each broken in turn: what the simulation must notice, or it could notice nothing.

Each is a context in which one part of the engine, or of the rules around it, does what a plausible mistake would make
it do.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from local.mapping import StreamSettings, lane
from tailrace import fold, marks
from tailrace.aws import aggregating, archiving, commit, emptied, fanning_out, lineages, objects, ordering, writes
from tailrace.aws.batches import stream_answer
from tailrace.fold import RowChange
from tailrace.shortcuts import Shortcut
from tests.simulation import deployed, world
from tests.simulation.archive_queue import ArchiveQueue
from tests.simulation.definition import visits
from tests.simulation.sabotage_writes import SABOTAGES_OF_WRITES
from tests.simulation.steps import Reader

type Sabotage = Callable[[], AbstractContextManager[Any]]
type Json = dict[str, Any]


_MARK = re.compile(r"\(attribute_not_exists\((#\d+)\) OR \1 < (:\d+)\)")
_VERSION = re.compile(r"(attribute_not_exists\(#\d+\)|#\d+ = (:\d+))$")


def _requests(change: Callable[[Json, re.Match[str]], None], condition: re.Pattern[str] = _MARK) -> Sabotage:
    """Change every UpdateItem that is sent under a condition."""
    update = writes.update

    def changed(*arguments: Any) -> Json:
        request = update(*arguments)
        found = condition.search(request.get("ConditionExpression", ""))
        if found is not None:
            change(request, found)
        return request

    return lambda: patch.object(commit, "update", changed)


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
    statement = writes.statement

    def unconditional(*arguments: Any) -> Any:
        made = statement(*arguments)
        text, *_ = made["Statement"].rpartition(" AND ")
        return {"Statement": text, "Parameters": list(made["Parameters"])[:-1]}

    return patch.object(commit, "statement", unconditional)


def _condition_on_the_last_change() -> AbstractContextManager[Any]:
    return patch.object(RowChange, "first", property(lambda row: row.last))


def _no_refold() -> AbstractContextManager[Any]:
    # an overlap is taken for "absorbed before"
    return patch.object(commit, "_mark_in", lambda _found, _lineage: 10**41)


def _whole_again() -> AbstractContextManager[Any]:
    # an overlap is written again whole: everything above nothing, under a condition that always holds
    def everything(row: RowChange, mark: int) -> RowChange:
        return row.of([(sequence + mark + 1, deltas) for sequence, deltas in row.steps])

    return patch.object(RowChange, "above", everything)


def _plain_words_only(change: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """Make a change that shows only where no shortcut is taken."""
    both = ExitStack()
    both.enter_context(patch.object(Shortcut, "add", lambda *_arguments: False))
    both.enter_context(change)
    return both


def _no_retraction() -> AbstractContextManager[Any]:
    add = fold.Rows.add
    never = patch.object(fold.Rows, "add", lambda self, kind, number, _old, new: add(self, kind, number, None, new))
    return _plain_words_only(never)


def _no_retraction_by_shortcut() -> AbstractContextManager[Any]:
    add = Shortcut.add
    return patch.object(Shortcut, "add", lambda self, rows, number, _old, new: add(self, rows, number, None, new))


def _nothing_for_moves() -> AbstractContextManager[Any]:
    add = fold.Rows.add

    def one_row(self: fold.Rows, aggregate: Any, sequence: int, old: Any, new: Any) -> None:
        moves = old is not None and new is not None and old.place.key != new.place.key
        add(self, aggregate, sequence, None if moves else old, new)

    return _plain_words_only(patch.object(fold.Rows, "add", one_row))


def _nothing_for_moves_by_shortcut() -> AbstractContextManager[Any]:
    elsewhere = Shortcut._elsewhere
    return patch.object(Shortcut, "_elsewhere", lambda self, old, new: elsewhere(self, [None] * len(old), new))


def _net_zero_left_out() -> AbstractContextManager[Any]:
    whole = commit.Committer.commit

    def some(self: commit.Committer, rows: Sequence[RowChange], lineage: Any) -> Any:
        return whole(self, [row for row in rows if any(row.deltas())], lineage)

    return patch.object(commit.Committer, "commit", some)


def _old_values_stay() -> AbstractContextManager[Any]:
    move = fold._move_values
    return patch.object(fold, "_move_values", lambda row, n, old, new: move(row, n, (None,) * len(old), new))


def _moves_not_listed() -> AbstractContextManager[Any]:
    """Let an item that has left a group stay in the list of groups."""
    whole = fold.Rows._list

    def some(self: fold.Rows, of: Any, sequence: int, place: Any, delta: int) -> None:
        if delta > 0:
            whole(self, of, sequence, place, delta)

    return patch.object(fold.Rows, "_list", some)


def _version_read_last() -> AbstractContextManager[Any]:
    """Let a main row be written at the version that it has after its value rows were read."""
    order = ordering.OrderReader.order

    def late(self: ordering.OrderReader, row: RowChange, version: int) -> writes.Order:
        return replace(order(self, row, version), version=self.version(row.key))

    return patch.object(ordering.OrderReader, "order", late)


def _emptied_without_a_look() -> AbstractContextManager[Any]:
    """Let a row go that was empty a moment ago."""
    expire = writes.expire

    def careless(*arguments: Any) -> Json:
        request = expire(*arguments)
        request["ConditionExpression"], *_, empty = request["ConditionExpression"].rpartition(" AND ")
        name, value = empty.split(" = ")
        request["ExpressionAttributeNames"].pop(name)
        request["ExpressionAttributeValues"].pop(value)
        return request

    return patch.object(emptied, "expire", careless)


def _same_mark_for_both_halves() -> AbstractContextManager[Any]:
    """Let each shard go on with its parent's mark, even where there are two."""

    def inherited(shard: str, _shards: Any, of_parent: marks.Lineage | None, _now: Any) -> marks.Lineage:
        return of_parent or marks.Lineage(marks.mark_attribute(shard))

    return patch.object(lineages, "lineage_of", inherited)


def _checkpoint(choose: Callable[[list[int]], int | None]) -> Sabotage:
    def chosen(outcomes: Any) -> int | None:
        failed = sorted(outcome.sequence for outcome in outcomes if isinstance(outcome, commit.Failed))
        return choose(failed) if failed else None

    return lambda: patch.object(aggregating, "checkpoint", chosen)


def _next_record(module: Any) -> Sabotage:
    """Report the record after the first that failed."""

    def late(event: Json, checkpoint: int | None) -> Json:
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        after = [number for number in numbers if checkpoint is not None and number > checkpoint]
        return stream_answer(event, after[0] if after else None)

    return lambda: patch.object(module, "stream_answer", late)


def _failures_forgotten(module: Any) -> Sabotage:
    return lambda: patch.object(module, "stream_answer", lambda event, _checkpoint: stream_answer(event, None))


def _unstored_forgotten() -> AbstractContextManager[Any]:
    def forgetful(*arguments: Any) -> list[int]:
        objects.put_all(*arguments)
        return []

    return patch.object(archiving, "put_all", forgetful)


def _one_mark_for_all_shards() -> AbstractContextManager[Any]:
    return patch.object(marks, "mark_attribute", lambda _shard: "~mark")


def _no_mark() -> AbstractContextManager[Any]:
    whole = commit.Committer.commit
    return patch.object(commit.Committer, "commit", lambda self, rows, _lineage: whole(self, rows, None))


@contextmanager
def _settings(**changes: Any) -> Iterator[None]:
    """Let the mapping of aggregate have other settings than the template's."""
    settings = deployed.template_settings

    def changed(reader: Reader) -> StreamSettings:
        return replace(settings(reader), **changes) if reader == "aggregate" else settings(reader)

    with patch.object(world, "template_settings", changed):
        yield


@contextmanager
def _wrong_half_first() -> Iterator[None]:
    """Let a failed batch be split, and its second half be delivered first."""
    halves = lane.halves
    with _settings(bisect=True), patch.object(lane, "halves", lambda *arguments: halves(*arguments)[::-1]):
        yield


def _ahead_of_itself() -> AbstractContextManager[Any]:
    """Let a shard deliver what lies beyond a change that nobody has delivered yet."""
    redeliver = world.World._redeliver
    return patch.object(world.World, "_redeliver", lambda self, step: redeliver(self, replace(step, back=-1)))


@contextmanager
def _expiry_retracts() -> Iterator[None]:
    object.__setattr__(visits, "on_expiry", "retract")
    try:
        yield
    finally:
        object.__setattr__(visits, "on_expiry", "keep")


SABOTAGES: dict[str, Sabotage] = {
    "the mark is not written": _requests(_write_no_mark),
    "the write has no condition": _requests(_write_always),
    "the condition lets the mark itself pass": _requests(_write_at_the_mark_too),
    "the condition lets only new rows pass": _requests(_write_new_rows_only),
    "the mark is a number": _requests(_mark_as_number),
    "the mark is written one too far": _requests(_mark_too_far),
    "the mark is not padded": lambda: patch.object(writes, "pad", "{:x}".format),
    "the mark is padded for short numbers only": lambda: patch.object(writes, "pad", lambda number: f"{number:018x}"),
    "all shards share a mark": _one_mark_for_all_shards,
    "changes are folded without marks": _no_mark,
    "the condition looks at the last change": _condition_on_the_last_change,
    "the statement has no condition": _statements_without_condition,
    "an overlap is skipped": _no_refold,
    "an overlap is written whole": _whole_again,
    "a row that comes to nothing is not written": _net_zero_left_out,
    "retraction is left out": _no_retraction,
    "a shortcut takes nothing back": _no_retraction_by_shortcut,
    "a move does not touch the old row": _nothing_for_moves,
    "a shortcut does not touch the old row": _nothing_for_moves_by_shortcut,
    "an expiry is a deletion": _expiry_retracts,
    "an item's old values stay": _old_values_stay,
    "an item stays in the list of groups": _moves_not_listed,
    "order measures are written without a look at the version": _requests(_write_always, _VERSION),
    "the version is read after the values": _version_read_last,
    "a main row is written before its values": lambda: patch.object(commit, "_is_waiting", lambda *_arguments: False),
    "an empty row goes at once": lambda: patch.object(emptied, "LATE_DELIVERIES", timedelta()),
    "an empty row goes though it fills again": lambda: patch.object(writes, "_set_expiry", lambda *_arguments: None),
    "an empty row is not looked at before it goes": _emptied_without_a_look,
    "an empty row never goes": lambda: patch.object(commit, "may_be_empty", lambda _row: False),
    "both halves of a split share a mark": _same_mark_for_both_halves,
    "the mark of a split shard is dropped at once": lambda: patch.object(marks, "LATE_DELIVERIES", timedelta(hours=-1)),
    "a shard is read before its parent": lambda: patch.object(world.World, "_is_read", lambda *_arguments: True),
    "the checkpoint is the last failure": _checkpoint(lambda failed: failed[-1]),
    "the checkpoint is one too late": _next_record(aggregating),
    "failures are not reported": _failures_forgotten(aggregating),
    "partial failures are not read": lambda: _settings(report_failures=False),
    "the event names no shard": lambda: _settings(tumbling_window_s=0),
    "the mapping passes a failed batch": lambda: _settings(maximum_retry_attempts=0),
    "the mapping gives up after a second attempt": lambda: _settings(maximum_retry_attempts=1),
    "the mapping gives up what is a minute old": lambda: _settings(maximum_record_age_s=60),
    "the mapping has two lanes": lambda: _settings(parallelization=2),
    "the second half of a split comes first": _wrong_half_first,
    "what fanout gave up is not put back": lambda: patch.object(world.World, "_put_back", lambda _self: None),
    "the mapping runs ahead of itself": _ahead_of_itself,
    "fanout's checkpoint is one too late": _next_record(fanning_out),
    "fanout does not report failures": _failures_forgotten(fanning_out),
    "archive does not report failures": _unstored_forgotten,
    "the archive's dead letters are not put back": lambda: patch.object(ArchiveQueue, "put_back", lambda *_: None),
    **SABOTAGES_OF_WRITES,
}
"""What is broken, and how."""
