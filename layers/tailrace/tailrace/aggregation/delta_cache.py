"""What a change does to the aggregates of its collection, found again by the little of the item that it depends on.

Where an item is counted depends on the fields of the groups alone, and what it adds on the fields of measures and
predicates. Items that agree in these do the same; so each such case is worked out once, by the plain words of the
definition, and then kept. Whatever is unusual is left to the plain words: :meth:`Shortcut.add` then says no, and has
done nothing.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from tailrace.aggregation.cache_keys import Images, Items, Reading, Source, Texts
from tailrace.aggregation.contributions import Amount, Appraiser, Contribution, Move, Place, moved, movements, place_of
from tailrace.aggregation.field_usage import fields_read
from tailrace.aggregation.row_changes import Rows
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups import BucketGroup, FieldGroup
from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES

_MOST_KEPT = 20_000
_MOST_CHARACTERS = 20_000_000
"""Answers of each kind, and about how much their questions may say: most have a few dozen characters, but a predicate
may read a field of pages. One in so many is looked at, which costs nothing."""
_LOOKED_AT = 64


class _Part:
    """One aggregate: finds the place of an item by what it says in the groups' fields."""

    def __init__(self, aggregate: Aggregate, positions: list[int], reader: Images | Items) -> None:
        self.aggregate = aggregate
        self.pick = itemgetter(*positions)
        self.places: dict[Any, Place] = {}
        self._reader = reader

    def place(self, values: Texts, version: Source) -> Place | None:
        """Return the place; None where the item is in no row.

        Raises:
            InvalidItem: a group cannot take the item.
        """
        at = self.pick(values)
        place = self.places.get(at)
        if place is None:
            place = place_of(self._reader.item(version), self.aggregate)
            if place is not None:
                _keep(self.places, at, place)
        return place


type _Case = tuple[Texts | None, Texts | None]
"""What the old and the new version say in the fields that are no groups; None where there is no such version."""

type _Steps = list[tuple[Aggregate, Place | None, Move]]


class Shortcut:
    """Adds the changes of one collection's items to rows; made once, by :func:`shortcut_of`.

    Attributes:
        images: whether it takes the versions of an item as the stream's images; it takes items otherwise.
        keeps_expired: whether the end of an item's time takes it out of nothing, which is for the caller to see.
    """

    def __init__(self, appraiser: Appraiser, groups: tuple[str, ...], others: Mapping[str, str]) -> None:
        self.images = appraiser.collection.takes_everything
        self.keeps_expired = appraiser.collection.on_expiry == "keep"
        self._appraiser = appraiser
        self._reader = Images(groups, others) if self.images else Items(groups, others)
        by = [group for one in appraiser.aggregates for group in one.by]
        # after the groups' fields stand the buckets' labels: a time is nearly the item's own, its hour is not
        self._times: list[tuple[int, list[BucketGroup], dict[Any, Texts]]] = []
        position: dict[Any, int] = {group: groups.index(group.source) for group in by}
        labels = len(groups)
        for number, name in enumerate(groups):
            buckets = list(dict.fromkeys(one for one in by if isinstance(one, BucketGroup) and one.source == name))
            if buckets:
                self._times.append((number, buckets, {}))
                position |= {bucket: labels + index for index, bucket in enumerate(buckets)}
                labels += len(buckets)
        self._parts = [_Part(one, [position[group] for group in one.by], self._reader) for one in appraiser.aggregates]
        self._amounts: dict[Texts, tuple[Amount | None, ...]] = {}
        self._moves: dict[_Case, list[tuple[_Part, Move]]] = {}

    def add(self, rows: Rows, sequence: int, old: Source | None, new: Source | None) -> bool:
        """Add what a change does; return False, with nothing added, where the plain words have to be asked."""
        for read in self._reader.ways:
            try:
                steps = self._steps(read, old, new)
            except Exception:  # noqa: BLE001, S112 - a predicate may raise anything; the plain words tell what it means
                continue
            for aggregate, place, move in steps:
                if place is not None:
                    rows.move(aggregate, place, sequence, move)
            return True
        return False

    def _steps(self, read: Callable[[Source], Reading], old: Source | None, new: Source | None) -> _Steps:
        before, after = None if old is None else read(old), None if new is None else read(new)
        version, now = (old, before) if after is None else (new, after)
        if version is None or now is None:
            return []
        groups = now[0]
        if old is not None and before is not None and before[0] != groups:
            return self._elsewhere(self._worth(old, before), self._worth(version, now))
        case = before and before[1], after and after[1]
        moves = self._moves.get(case)
        if moves is None:
            moves = self._work_out(case, old, new)
        if not moves:
            return []
        values = self._with_labels(groups, version)
        return [
            (part.aggregate, part.places.get(part.pick(values)) or part.place(values, version), move)
            for part, move in moves
        ]

    def _elsewhere(self, old: list[Contribution | None], new: list[Contribution | None]) -> _Steps:
        """Return the steps of an item that has moved to other groups of some aggregate."""
        return [
            (part.aggregate, place, move)
            for part, before, after in zip(self._parts, old, new, strict=True)
            for place, move in movements(before, after)
        ]

    def _with_labels(self, groups: Texts, version: Source) -> Texts:
        for position, buckets, known in self._times:
            time = groups[position]
            labels = known.get(time)
            if labels is None:
                item = self._reader.item(version)
                labels = tuple([bucket.value(item) for bucket in buckets])
                _keep(known, time, labels)
            groups += labels
        return groups

    def _work_out(self, case: _Case, old: Source | None, new: Source | None) -> list[tuple[_Part, Move]]:
        """Return what a change does to each aggregate, for an item that stays in its groups."""
        all_moves = map(moved, self._amounts_of(old, case[0]), self._amounts_of(new, case[1]))
        moves = [(part, move) for part, move in zip(self._parts, all_moves, strict=True) if move is not None]
        _keep(self._moves, case, moves)
        return moves

    def _amounts_of(self, version: Source | None, texts: Texts | None) -> tuple[Amount | None, ...]:
        if version is None or texts is None:
            return (None,) * len(self._parts)
        amounts = self._amounts.get(texts)
        if amounts is None:
            amounts = self._appraiser.amounts(self._reader.item(version))
            _keep(self._amounts, texts, amounts)
        return amounts

    def _worth(self, version: Source, reading: Reading) -> list[Contribution | None]:
        values = self._with_labels(reading[0], version)
        found: list[Contribution | None] = []
        for part, amount in zip(self._parts, self._amounts_of(version, reading[1]), strict=True):
            place = None if amount is None else part.place(values, version)
            found.append(None if amount is None or place is None else Contribution(place, *amount))
        return found


def _keep[K, V](answers: dict[K, V], question: K, answer: V) -> None:
    """Keep an answer; where there are too many, or they take too much, begin anew."""
    kept = len(answers)
    if kept >= _MOST_KEPT or (not kept % _LOOKED_AT and kept * len(str(question)) > _MOST_CHARACTERS):
        answers.clear()
    answers[question] = answer


def shortcut_of(appraiser: Appraiser) -> Shortcut | None:
    """Return the shortcut for a collection; None where it cannot be seen what some predicate depends on."""
    aggregates = appraiser.aggregates
    by = [group for one in aggregates for group in one.by]
    if not all(isinstance(group, BucketGroup | FieldGroup) for group in by):
        return None
    columns = [column for one in aggregates for _, measure in one.linear for column in measure.columns]
    kept = [rows.values for one in aggregates for rows in one.value_rows]
    predicates = [one.where for one in aggregates] + [one.where for one in columns] + [one.where for one in kept]
    read = [fields_read(predicate) for predicate in predicates if predicate is not None]
    others: dict[str, str] = {}
    for fields in read:
        if fields is None:
            return None
        others |= dict.fromkeys(sorted(fields), "S")
    others |= {values.at: "S" for values in kept if values.at is not None}
    sources = [column.source for column in columns] + [values.source for values in kept]
    others |= dict.fromkeys([source for source in sources if source is not None], "N")
    groups = tuple(dict.fromkeys(group.source for group in by))
    if not aggregates or not {*groups, *others}.isdisjoint(ENGINE_ATTRIBUTES):
        return None
    return Shortcut(appraiser, groups, others)
