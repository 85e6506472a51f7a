"""Row changes that are carried from one invocation to the next, in the state of a tumbling window.

With write-behind, what a batch does to a row is folded into one step and not written yet. The steps of the next batch
are added to it, and so on until the window ends. The step keeps the numbers of its first and its last change, so that
the row's mark tells whether the row has absorbed it. Where the row has absorbed a part, the step is of no use, and the
changes have to be read from the stream again.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tailrace.aggregation.row_changes import Folded, RowChange
from tailrace.definition.aggregate import Aggregate, Layout
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.numbers import number_text
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidMessage, Permanent

if TYPE_CHECKING:
    from tailrace.aggregation.contributions import Deltas
    from tailrace.encoding.keys import RowKey

_COMPRESSION = 1  # half the bytes for a tenth of the time of the best level
_PLAIN = (str, int, bool, type(None))
_TAGGED, _DECIMAL = "t", "d"
_MAIN, _GROUP_LIST = "", "~groups"


def folded(row: RowChange) -> RowChange:
    """Return a row change with its steps folded into one."""
    below = {key: folded(value) for key, value in row.value_changes.items()}
    covers = Folded(row.first, row.changes)
    return replace(row, steps=[(row.last, row.deltas())], value_changes=below, folded=covers)


def merged(carried: Iterable[RowChange], later: Iterable[RowChange]) -> list[RowChange]:
    """Return carried rows with the steps of a later batch behind theirs."""
    rows = {row.key: row for row in carried}
    for row in later:
        before = rows.get(row.key)
        rows[row.key] = row if before is None else _joined(before, row)
    return list(rows.values())


def _joined(before: RowChange, row: RowChange) -> RowChange:
    below = merged(before.value_changes.values(), row.value_changes.values())
    return replace(
        before,
        steps=[*before.steps, *row.steps],
        value_changes={value.key: value for value in below},
        removes_items=before.removes_items or row.removes_items,
    )


def encode_rows(rows: Iterable[RowChange]) -> str:
    """Encode folded rows as a text of ASCII characters."""
    plain = [[_layout_name(row), *_values(row), [_below(row, value) for value in _sorted(row)]] for row in rows]
    text = json.dumps(plain, separators=(",", ":"), default=_tag)
    return base64.b64encode(zlib.compress(text.encode(), _COMPRESSION)).decode()


def decode_rows(text: str, pipeline: Pipeline) -> list[RowChange]:
    """Decode what :func:`encode_rows` made; the rows have the layouts of the pipeline's own aggregates.

    Raises:
        InvalidMessage: it is something else, or of aggregates that the pipeline lacks.
    """
    layouts = _layouts(pipeline)
    try:
        plain = zlib.decompress(base64.b64decode(text, validate=True))
        return [_row(one, layouts) for one in json.loads(plain, object_hook=_untag)]
    except (binascii.Error, zlib.error, ValueError, TypeError, LookupError, Permanent) as error:
        raise InvalidMessage(f"not the rows of an earlier invocation: {error}") from error


def _values(row: RowChange) -> list[Any]:
    covers = row.folded or Folded(row.first, row.changes)
    ((last, deltas),) = row.steps
    labels = [label if type(label) in _PLAIN else _Label(label) for label in row.labels]
    return [*row.key, labels, row.expires_at, *covers, last, deltas, int(row.removes_items)]


def _below(row: RowChange, value: RowChange) -> list[Any]:
    names = [kind.name for kind in row.layout.aggregate.value_rows if kind.layout is value.layout]
    return [names[0], *_values(value)]


def _sorted(row: RowChange) -> Sequence[RowChange]:
    return [value for _, value in sorted(row.value_changes.items())]


def _row(plain: Sequence[Any], layouts: Mapping[str, Mapping[str, Layout]]) -> RowChange:
    name, *values, below = plain
    aggregate, _, kind = name.partition("#")
    known = layouts[aggregate]
    row = _row_change(known[kind], values)
    for value_kind, *value in below:
        found = _row_change(known[f".{value_kind}"], value)
        row.value_changes[found.key] = found
    return row


def _row_change(layout: Layout, values: Sequence[Any]) -> RowChange:
    pk, sk, labels, expires_at, first, changes, last, deltas, removes = values
    key: RowKey = (pk, sk)
    steps: list[tuple[int, Deltas]] = [(last, tuple(deltas))]
    covers = Folded(first, changes)
    return RowChange(layout, key, tuple(labels), expires_at, steps, removes_items=bool(removes), folded=covers)


def _layout_name(row: RowChange) -> str:
    aggregate = row.layout.aggregate
    return f"{_name(aggregate)}#{_MAIN if row.layout is aggregate.layout else _GROUP_LIST}"


def _layouts(pipeline: Pipeline) -> dict[str, dict[str, Layout]]:
    return {_name(aggregate): dict(_layouts_of(aggregate)) for aggregate in pipeline.aggregates}


def _layouts_of(aggregate: Aggregate) -> Iterator[tuple[str, Layout]]:
    yield _MAIN, aggregate.layout
    if aggregate.group_list is not None:
        yield _GROUP_LIST, aggregate.group_list.layout
    for kind in aggregate.value_rows:
        yield f".{kind.name}", kind.layout


def _name(aggregate: Aggregate) -> str:
    return f"{aggregate.name}@{aggregate.version}"


class _Label:
    """A label of a type that JSON lacks."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _tag(value: Any) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {_DECIMAL: number_text(value)}
    return {_TAGGED: dumps(value.value)}


def _untag(tagged: dict[str, str]) -> Any:
    ((tag, text),) = tagged.items()
    return Decimal(text) if tag == _DECIMAL else loads(text)
