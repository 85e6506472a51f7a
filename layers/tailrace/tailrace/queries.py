"""Reading aggregates: from the parameters of a request to a bounded list of key ranges, and cursors to go on from.

Nothing is ever scanned: a query names the first group, or, where that is a time bucket, from when to when; the other
groups narrow it in the order of the key.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.aggregate import Aggregate
from tailrace.errors import InvalidMessage
from tailrace.keys import BucketGroup, Group, group_texts, lane_key, row_key
from tailrace.periods import Window, bucket_of, window

MOST_ROWS = 1000
ROWS_UNASKED = 100
"""The rows of a page at most, and those of a page for which no ``limit`` is given."""

MOST_PARTITIONS = 10_000
"""The widest range of an aggregate whose first group is its time bucket; each bucket is a partition to look into."""

OPTIONS = ("from", "to", "limit", "cursor")

_MOST_KEY_BYTES, _MOST_SORT_KEY_BYTES = 2048, 1024

type Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows of one partition: all whose sort key begins with ``prefix``, or lies within ``between``, both included."""

    pk: str
    prefix: str = ""
    between: tuple[str, str] | None = None

    def holds(self, sk: str) -> bool:
        """Tell whether a sort key is in the range; texts compare as DynamoDB compares their UTF-8."""
        if self.between is None:
            return sk.startswith(self.prefix)
        low, high = self.between
        return low <= sk <= high


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on: behind the row ``(pk, sk)``, or with the whole partition where ``sk`` is None."""

    pk: str
    sk: str | None = None


@dataclass(frozen=True, slots=True)
class RowQuery:
    """What to read of an aggregate: ascending, up to ``limit`` rows, from ``start`` on.

    ``texts`` are the values of the groups that are given, in the order of the key and without the bucket of ``window``.
    """

    aggregate: Aggregate
    texts: tuple[str, ...]
    window: Window | None
    limit: int
    start: Position | None = None

    def ranges(self) -> Iterator[KeyRange]:
        """Yield the ranges to read, in order, from the start on. There may be very many: take what you need."""
        if not self._bucket_first():
            yield self._single()
            return
        if self.window is not None:
            yield from (self._partition(label) for label in self._from_start(self.window).labels())

    def keeps(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row that lies in a range is asked for; only near a change of the clocks it may not be."""
        return self.window is None or self.window.holds(row[self.window.bucket.name])

    def cursor(self, position: Position) -> str:
        """Return an opaque text from which the same query goes on behind a position."""
        place = [position.pk, position.sk]
        text = json.dumps([*place, self._seal(place)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def starting_at(self, cursor: str) -> "RowQuery":
        """Return the query that goes on at a cursor.

        Raises:
            InvalidMessage: the cursor comes from another query, or was changed on the way.
        """
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            pk, sk, seal = json.loads(text)
            if seal == self._seal([pk, sk]) and self._reaches(pk, sk):
                return RowQuery(self.aggregate, self.texts, self.window, self.limit, Position(pk, sk))
        except (ValueError, TypeError, RecursionError, InvalidMessage):
            pass
        raise InvalidMessage("the cursor is not one of this query")

    def _bucket_first(self) -> bool:
        return self.window is not None and self.aggregate.by[0] is self.window.bucket

    def _single(self) -> KeyRange:
        pk, sk = self._key(self.texts)
        if self.window is not None:
            low, high = self.window.bounds()
            before = "" if len(self.texts) == 1 else f"{sk}#"
            return KeyRange(pk, between=(before + low, before + high))
        return self._narrowed(pk, sk, self.texts)

    def _partition(self, label: str) -> KeyRange:
        texts = (label, *self.texts)
        return self._narrowed(*self._key(texts), texts)

    def _narrowed(self, pk: str, sk: str, texts: tuple[str, ...]) -> KeyRange:
        if len(texts) == len(self.aggregate.by):
            return KeyRange(pk, prefix=lane_key(sk, "")) if self.aggregate.lanes > 1 else KeyRange(pk, between=(sk, sk))
        return KeyRange(pk, prefix="" if len(texts) == 1 else f"{sk}#")

    def _key(self, texts: tuple[str, ...]) -> tuple[str, str]:
        return row_key(self.aggregate.name, self.aggregate.version, texts)

    def _from_start(self, whole: Window) -> Window:
        if self.start is None:
            return whole
        return Window(whole.bucket, group_texts(self.start.pk, "-")[0], whole.last)

    def _reaches(self, pk: Any, sk: Any) -> bool:
        if not isinstance(pk, str) or not isinstance(sk, str | None):
            return False
        if not self._bucket_first():
            found = self._single()
        else:
            label = group_texts(pk, "-")[0]
            if (
                self.window is None
                or bucket_of(self.window.bucket, label) != (label, label)
                or not self.window.holds(label)
            ):
                return False
            found = self._partition(label)
        return found.pk == pk and (sk is None or found.holds(sk))

    def _seal(self, place: Sequence[Any]) -> str:
        # against mixing up and mistyping; who forges it reaches no further than the query does without a cursor
        ends = None if self.window is None else [self.window.first, self.window.last]
        query = [self.aggregate.name, self.aggregate.version, self.texts, ends, place]
        return hashlib.sha256(json.dumps(query).encode()).hexdigest()[:16]


def row_query(aggregate: Aggregate, parameters: Parameters) -> RowQuery:
    """Read the parameters of a request: group values by the group's name, ``from``, ``to``, ``limit`` and ``cursor``.

    A group that is called as one of these four is named with ``group.`` before it.

    Raises:
        InvalidMessage: a parameter is unknown, comes twice or cannot be read; or they make no bounded range of keys.
    """
    names = {parameter_name(group): group for group in aggregate.by}
    given = _checked(parameters, [*names, *OPTIONS])
    covered = _window(aggregate, given)
    texts = _texts(aggregate, given, covered)
    query = RowQuery(aggregate, texts, covered, _limit(given.get("limit")))
    _check_lengths(query)
    return query if "cursor" not in given else query.starting_at(given["cursor"])


def parameter_name(group: Group) -> str:
    """Return the name of the parameter that gives a group's value."""
    return f"group.{group.name}" if group.name in OPTIONS else group.name


def _checked(parameters: Parameters, known: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            raise InvalidMessage(f"unknown parameter {name[:60]!r}; there are: {', '.join(known)}")
        if name in given:
            raise InvalidMessage(f"the parameter {name} comes more than once")
        given[name] = value
    return given


def _limit(text: str | None) -> int:
    if text is None:
        return ROWS_UNASKED
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(MOST_ROWS)) or not 1 <= int(text) <= MOST_ROWS:
        raise InvalidMessage(f"limit is a whole number from 1 to {MOST_ROWS}, not {text[:20]!r}")
    return int(text)


def _window(aggregate: Aggregate, given: dict[str, str]) -> Window | None:
    first, last = given.get("from"), given.get("to")
    bucket = aggregate.bucket
    if first is None and last is None:
        return None
    if bucket is None:
        raise InvalidMessage(f"{aggregate.name} has no time bucket for from and to")
    if parameter_name(bucket) in given:
        raise InvalidMessage(f"either {parameter_name(bucket)}, or from and to")
    covered = window(bucket, first, last)
    if aggregate.by[0] is bucket:
        if first is None or last is None:
            raise InvalidMessage(f"{aggregate.name} is kept by {bucket.unit}: from needs to, and to needs from")
        if covered.widest_count() > MOST_PARTITIONS:
            raise InvalidMessage(f"from and to are more than {MOST_PARTITIONS} {bucket.unit}s apart: narrow the range")
    return covered


def _texts(aggregate: Aggregate, given: dict[str, str], covered: Window | None) -> tuple[str, ...]:
    """Return the texts of the groups that are given, which have to be the first ones; the window's bucket has none."""
    texts: list[str] = []
    missing = ""
    for place, group in enumerate(aggregate.by):
        name = parameter_name(group)
        in_window = covered is not None and group is covered.bucket
        if missing and (name in given or in_window):
            raise InvalidMessage(
                f"{'from and to need' if in_window else f'{name} needs'} {missing}, which comes before it"
            )
        if name in given:
            texts.append(_text(group, given[name]))
        elif place == 0 and not in_window:
            raise InvalidMessage(
                f"{name} is missing" + (": give it, or from and to" if group is aggregate.bucket else "")
            )
        elif not missing and (place > 0 or not in_window):
            missing = f"one {name}" if in_window else name
    return tuple(texts)


def _text(group: Group, value: str) -> str:
    if not isinstance(group, BucketGroup):
        return value
    first, last = bucket_of(group, value)
    if first != last:
        raise InvalidMessage(f"{value} is more than one {group.unit}: use from and to")
    return first


def _check_lengths(query: RowQuery) -> None:
    """Refuse values that are longer than a key can be: no row can have them, and the table would not be asked."""
    if query.window is None or query.texts:
        found = next(query.ranges(), None)
        texts = [] if found is None else [found.prefix, *(found.between or ())]
        if found is not None and (
            len(found.pk.encode()) > _MOST_KEY_BYTES or any(len(text.encode()) > _MOST_SORT_KEY_BYTES for text in texts)
        ):
            raise InvalidMessage("a group's value is longer than a key can be")
