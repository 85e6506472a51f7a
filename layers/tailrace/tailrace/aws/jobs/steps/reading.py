"""Reads the rows that a verification compares: strongly consistent, all of them, each with its marks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import batched, chain
from threading import Lock
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aggregation.marks import decode_sequence
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.batch_reads import MAX_KEYS_PER_READ, rows_by_key
from tailrace.aws.aggregates.order_state import OrderReader, stored_order, wrong_candidates
from tailrace.aws.aggregates.update_expressions import COUNTED, ORDER_VERSION, REPAIRS, RESERVE
from tailrace.aws.aggregates.value_counter import value_state
from tailrace.aws.jobs.context import JobContext, boundary_id, label
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.remainder import Remainder
from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.jobs.slices import FIRST, LAST, Slice, SliceOfKeys, together
from tailrace.aws.jobs.steps.building import built_keys
from tailrace.aws.jobs.steps.listing import spaces_of
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.aws.runtime.parallel import run_all
from tailrace.backfill.comparison import PINNED_FOR_S, StoredRow, is_comparable
from tailrace.backfill.coverage import END
from tailrace.backfill.generations import GenerationId
from tailrace.definition.aggregate import ValueRows
from tailrace.definition.row_attributes import EXPIRES_AT, INEXACT
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import RowKey, value_rows_key
from tailrace.encoding.tagged_json import dumps, loads_own

_TRIES = 5
_MARK_LENGTH = 34
_MAX_BYTES_OF_ROWS = 32_000_000


class ReadRow(Struct, frozen=True):
    """A row as a verification read it.

    Attributes:
        key: its key.
        row: the row.
        read_at: the second.
        order: what its value rows amount to, read with it; None if there are none, or they cannot be matched to it.
        judged: whether its order attributes can be compared.
    """

    key: RowKey
    row: StoredRow
    read_at: int
    order: Mapping[str, Any] | None = None
    judged: bool = True


class ReadSlice(NamedTuple):
    """A slice of a partition as it was read: its places, and the name of its files."""

    start: str
    end: str
    name: str


class MarkFirsts(Struct):
    """The boundary's lowest number in the shards of each lineage, by mark; read again when a new mark turns up.

    The number of a shard is stored before any row with its mark is written. So a mark that is not among them after
    another read is of a lineage that ended below the boundary.
    """

    context: JobContext
    boundary: str
    known: dict[str, int] = field(default_factory=dict)
    _reading: Lock = field(default_factory=Lock)

    def of(self, rows: Iterable[StoredRow]) -> Mapping[str, int]:
        """Return the numbers for the marks of some rows; threads share it."""
        marks = {mark for row in rows for mark in row.marks}
        with self._reading:
            if not marks <= self.known.keys():
                for shard, first in self.context.firsts.stored(self.boundary).items():
                    mark = self.context.lineages.find(shard, "").mark
                    self.known[mark] = min(first, self.known.get(mark, first))
                for mark in marks:
                    self.known.setdefault(mark, END)
        return self.known


def read_rows(context: JobContext, job: Job, partition: int) -> None:
    """Read a partition's rows, slice by slice: those in the table, in the base and in the journal.

    What is read counts once: a run that ends late may have read after the journal was listed, and must not replace it.

    Raises:
        OutOfTime: the next invocation continues.
    """
    spaces = spaces_of(context, context.check(job))
    firsts = MarkFirsts(context, boundary_id(job))
    remainder = Remainder(context.folder(job), job.step, partition)
    slices = [ReadSlice(*one) for one in remainder.read().get("slices", ())]
    run = context.new_name()
    start = slices[-1].end.encode() if slices else FIRST
    while start < LAST:
        keys = _all_keys(context, job, spaces, partition, Slice(start))
        for end, lines in _pages(context, keys, firsts):
            one = ReadSlice(start.decode(), end.decode(), f"{run}-{len(slices):06}")
            for name, written in lines.items():
                context.folder(job).write(rows_path(name, partition, one), written)
            slices.append(one)
            start = end
            if start < LAST and not context.has_time():
                raise remainder.store(slices=slices)
    context.folder(job).write_once(f"slices/{partition:06}", [dumps(one).encode() for one in slices])
    remainder.end()


def read_slices(context: JobContext, job: Job, partition: int) -> list["ReadSlice"]:
    """Return the slices in which a partition was read."""
    return [ReadSlice(*loads_own(line)) for line in context.lines(job, f"slices/{partition:06}")]


def rows_path(name: GenerationId, partition: int, one: "ReadSlice") -> str:
    """Return the path of a generation's rows in a slice."""
    return f"rows/{label(name)}/{partition:06}/{one.name}"


def _all_keys(context: JobContext, job: Job, spaces: Sequence[RowSpace], partition: int, where: Slice) -> SliceOfKeys:
    """Return the keys of the rows that are in the table, in the base or in the journal."""
    keys = built_keys(context, job, spaces, partition, where)
    positions = {label(space.generation.id): position for position, space in enumerate(spaces)}
    for place, line in where.lines(context.folder(job).all_lines(f"keys/{partition:06}")):
        name, pk, sk = loads_own(line)
        keys.add(positions[name], place, (pk, sk))
    return keys


def _pages(
    context: JobContext, keys: SliceOfKeys, firsts: "MarkFirsts"
) -> Iterator[tuple[bytes, dict[GenerationId, list[bytes]]]]:
    """Yield the rows by generation, a few at a time, and the place where they end; main rows stay whole."""
    size, spaces = 0, keys.spaces
    lines: dict[GenerationId, list[bytes]] = {one.generation.id: [] for one in spaces}
    for few, end in together(keys.in_order(), keys.slice.end, MAX_KEYS_PER_READ * len(spaces)):
        for position, space in enumerate(spaces):
            found = sorted(key for _, at, key in few if at == position)
            read = [_line(one) for one in _read(context, space, found, firsts)]
            lines[space.generation.id] += read
            size += sum(map(len, read))
        if size > _MAX_BYTES_OF_ROWS or end == keys.slice.end or not context.has_time():
            yield end, lines
            lines, size = {one.generation.id: [] for one in spaces}, 0


def _read(context: JobContext, space: RowSpace, keys: Iterable[RowKey], firsts: "MarkFirsts") -> Iterator[ReadRow]:
    for chunk in batched(keys, MAX_KEYS_PER_READ, strict=False):
        found = dict(_batch(context, chunk))
        pinned = [key for key, row in found.items() if _is_about_to_go(space, row, context.now)]
        for key in pinned:
            _pin(context, key)
        if pinned:
            found |= dict(_batch(context, pinned))
        rows = {key: found.get(key, {}) for key in chunk}
        read = {key: ReadRow(key, stored_row(space, key, row), context.now) for key, row in rows.items()}
        main = [one for key, one in read.items() if space.is_main(key) and space.aggregate.value_rows]
        # each makes several calls: sequentially, a partition would take longer than an invocation
        calls = [partial(_with_order, context, space, one, firsts) for one in main]
        with_order = run_all(calls, context.committer.threads, context.committer.executor)
        yield from (read | {one.key: one for one in with_order}).values()


def _batch(context: JobContext, keys: Iterable[RowKey]) -> Iterator[tuple[RowKey, Mapping[str, Any]]]:
    for row in map(decode_item, rows_by_key(context.dynamodb, context.aggregates_table, keys)):
        yield (row["pk"], row["sk"]), row


def stored_row(space: RowSpace, key: RowKey, row: Mapping[str, Any]) -> StoredRow:
    """Return what a comparison needs of a row; for one that does not exist, an empty one."""
    if not row:
        return StoredRow()
    marks = {
        name: decode_sequence(value)
        for name, value in row.items()
        if name.startswith("~") and isinstance(value, str) and len(value) == _MARK_LENGTH
    }
    measures = [pair for kind in space.aggregate.value_rows for pair in kind.measures.items()]
    attributes = [attribute for name, measure in measures for attribute in measure.attributes(name)]
    order = {name: row[name] for name in attributes if name in row} if space.is_main(key) else {}
    for name in chain.from_iterable(space.aggregate.counted.values()):
        if order.get(name) == 0:  # as if the attribute were missing
            del order[name]
    counters = tuple(row.get(counter, 0) for counter in space.layout(key).counters)
    numbers = (row.get(ORDER_VERSION, 0), row.get(REPAIRS, 0), row.get(EXPIRES_AT), int(row.get(INEXACT, 0)))
    return StoredRow(counters, marks, order, *numbers)


def _is_about_to_go(space: RowSpace, row: Mapping[str, Any], now: int) -> bool:
    """Tell whether an empty row could be removed before it is judged; buckets whose ``keep`` ends are left alone."""
    expires_at = row.get(EXPIRES_AT)
    return expires_at is not None and space.aggregate.keep is None and expires_at < now + PINNED_FOR_S


def _pin(context: JobContext, key: RowKey) -> None:
    try:
        context.dynamodb.update_item(
            TableName=context.aggregates_table,
            Key=encode_item({"pk": key[0], "sk": key[1]}),
            UpdateExpression="SET #at = :at",
            ConditionExpression="#at < :at",
            ExpressionAttributeNames={"#at": EXPIRES_AT},
            ExpressionAttributeValues=encode_item({":at": context.now + PINNED_FOR_S}),
        )
    except (ClientError, BotoCoreError) as error:
        if not has_code(error, CONDITION_FAILED):  # it was written since, and does not expire any more
            raise translate(error) from error


def _with_order(context: JobContext, space: RowSpace, read: ReadRow, firsts: "MarkFirsts") -> ReadRow:
    """Read a main row together with what its value rows amount to, between two reads of one version."""
    reader = OrderReader(context.dynamodb, context.aggregates_table)
    change = RowChange(space.aggregate.layout, read.key, (), None)
    for _ in range(_TRIES):
        main = read.row
        recomputed = reader.recomputed(change, main.version).state
        state = {name: value for name, value in recomputed.items() if value is not None}
        values = list(_value_rows(context, space, read.key))
        below = [stored_row(space, (row["pk"], row["sk"]), row) for _, row in values]
        row = dict(_batch(context, [read.key])).get(read.key, {})
        again = stored_row(space, read.key, row)
        if again.version == main.version and is_comparable(main, below, firsts.of(below)):
            wrong = wrong_candidates(stored_order(space.aggregate, row), values)
            return replace(read, order=state | _counts(values) | ({RESERVE: wrong} if wrong else {}))
        read = ReadRow(read.key, again, context.now)
    return replace(read, judged=False)


def _value_rows(context: JobContext, space: RowSpace, key: RowKey) -> Iterator[tuple[ValueRows, Json]]:
    for kind in space.aggregate.value_rows:
        rows = partition_rows(context.dynamodb, context.aggregates_table, value_rows_key(key, kind.name))
        yield from ((kind, row) for row in map(decode_item, rows))


def _counts(values: Iterable[tuple[ValueRows, Json]]) -> dict[str, int]:
    """Return the numbers of different values; and of value rows that are counted and should not be, or the reverse."""
    found: Counter[str] = Counter()
    for kind, row in values:
        names = [name for name, measure in kind.measures.items() if measure.is_counted]
        state = value_state(row)
        if state.items > 0:
            found.update(names)
        if names and state.is_to_be_moved:
            found[COUNTED] += 1
    return dict(found)


def _line(read: ReadRow) -> bytes:
    row = read.row
    marks = {name: str(number) for name, number in row.marks.items()}
    body = [*read.key, row.counters, marks, dict(row.order), row.version, row.repairs, row.expires_at]
    return dumps([*body, read.read_at, row.inexact, read.order, read.judged]).encode()


def parse_read_row(line: bytes) -> ReadRow:
    """Read a line that :func:`read_rows` wrote."""
    pk, sk, counters, marks, order, version, repairs, expires_at, read_at, inexact, below, judged = loads_own(line)
    found = {name: int(number) for name, number in marks.items()}
    numbers = (version, repairs, expires_at, int(inexact))
    row = StoredRow(None if counters is None else tuple(counters), found, order, *numbers)
    return ReadRow((pk, sk), row, read_at, below, judged)
