"""Histories of generated items: what they add they retract, and the rows are the same however the changes are split.

For each history, the rows of three ways are compared: one fold of all changes, several folds of a part each, and a fold
of nothing but the items that are left.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import localcontext
from itertools import pairwise
from random import Random
from typing import Any

from msgspec import Struct

from cli.definitions.subject import Subject
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import FoldResult, RowChange
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item, Json
from tailrace.encoding.numbers import EXACT
from tailrace.encoding.tagged_json import canonical_json
from tailrace.inputs.effects import derive_effect
from tailrace.inputs.item_changes import decoded_changes
from tailrace.testing import fold, record

type Rows = dict[tuple[str, str], tuple[Any, ...]]

_IDS = 6
_MAX_STEPS = 30


class Write(Struct, frozen=True):
    """A write of an item; without one, a deletion, by TTL if ``expired``."""

    collection: str
    id: str
    item: Item | None
    expired: bool = False

    def describe(self) -> Json:
        """Return the write as JSON."""
        end = {"expires": True} if self.expired else {"item": self.item}
        return {"collection": self.collection, "id": self.id, **end}


class Difference(Struct, frozen=True):
    """A history whose rows differ, as short as it can be, and the first row that does."""

    writes: Sequence[Write]
    way: str
    row: tuple[str, str]
    expected: Any
    found: Any

    def __str__(self) -> str:
        row = " ".join(self.row)
        return f"row {row}: {self.found} {self.way}, but {self.expected} after one fold of the remaining items"


def generate(subjects: Mapping[str, Subject], pools: Mapping[str, Sequence[Item]], random: Random) -> list[Write]:
    """Return a history of writes to a few ids of each collection."""
    writes: list[Write] = []
    names = [name for name, items in pools.items() if items]
    # an item of a table with keys of its own has its id in its fields
    owners = {name: random.sample(pools[name], min(_IDS, len(pools[name]))) for name in names}
    for _ in range(random.randint(1, _MAX_STEPS) if names else 0):
        name = random.choice(names)
        subject, chance = subjects[name], random.random()
        owner = random.choice(owners[name])
        item_id = subject.id_of(owner) or str(owners[name].index(owner))
        other = random.choice(pools[name]) | subject.collection.keys.fields_of(item_id)
        item = other if subject.accepts(other) else owner
        gone = chance < 0.25  # noqa: PLR2004 - a quarter are deletions
        writes.append(Write(name, item_id, None if gone else item, expired=chance < 0.1))  # noqa: PLR2004 - some by TTL
    return writes


def difference(pipeline: Pipeline, writes: Sequence[Write], random: Random) -> Difference | None:
    """Return where the rows of a history differ, made as short as possible; None if they agree."""
    cuts = [random.random() for _ in range(3)]
    found = _difference(pipeline, writes, cuts)
    if found is None:
        return None
    position = 0
    while position < len(writes):
        shorter = [*writes[:position], *writes[position + 1 :]]
        smaller = _difference(pipeline, shorter, cuts)
        if smaller is None:
            position += 1
        else:
            writes, found = shorter, smaller
    return found


def _difference(pipeline: Pipeline, writes: Sequence[Write], cuts: Sequence[float]) -> Difference | None:
    records = list(_records(writes, pipeline))
    left = [list(_records([write], pipeline)) for write in _left(pipeline, writes)]
    expected = _rows([_reference(inserted, pipeline) for inserted in left])
    edges = sorted({0, len(records), *(int(cut * len(records)) for cut in cuts)})
    parts = [records[start:end] for start, end in pairwise(edges)]
    ways = {
        "after all changes in one fold": _rows([fold_records(records, pipeline)]),
        "after the same changes in several folds": _rows([fold_records(part, pipeline) for part in parts]),
        "by the reference path": _rows([_reference(records, pipeline)]),
    }
    for way, rows in ways.items():
        for key in sorted(expected.keys() | rows.keys()):
            if expected.get(key) != rows.get(key):
                return Difference(writes, way, key, expected.get(key), rows.get(key))
    return None


def _reference(records: Sequence[Json], pipeline: Pipeline) -> FoldResult:
    return fold([derive_effect(change, pipeline) for change in decoded_changes(records, pipeline)], pipeline)


def _records(writes: Sequence[Write], pipeline: Pipeline) -> Iterator[Json]:
    table: dict[tuple[str, str], Item] = {}
    for sequence, write in enumerate(writes, 1):
        key = write.collection, write.id
        old = table.pop(key, None)
        if write.item is not None:
            table[key] = write.item
        if canonical_json(old) != canonical_json(write.item):  # in Python, True equals 1
            yield record(
                sequence, write.collection, (write.id, old, write.item), expired=write.expired, pipeline=pipeline
            )


def _left(pipeline: Pipeline, writes: Sequence[Write]) -> list[Write]:
    """Return writes of the items that are left, and of those that expired but stay counted."""
    table: dict[tuple[str, str], Write] = {}
    kept: list[Write] = []
    for write in writes:
        old = table.pop((write.collection, write.id), None)
        if write.item is not None:
            table[write.collection, write.id] = write
        elif old and write.expired and pipeline.collection(write.collection).on_expiry == "keep":
            kept.append(old)
    return [*table.values(), *kept]


def _rows(results: Sequence[FoldResult]) -> Rows:
    rows: Rows = {}
    with localcontext(EXACT):
        for result in results:
            for change in [*result.rows, *result.group_list_changes]:
                _add(rows, change)
                for below in change.value_changes.values():
                    _add(rows, below)
    return {key: deltas for key, deltas in rows.items() if any(deltas)}


def _add(rows: Rows, change: RowChange) -> None:
    deltas = change.deltas()
    before = rows.get(change.key, (0,) * len(deltas))
    rows[change.key] = tuple(a + b for a, b in zip(before, deltas, strict=True))
