"""Aggregates: materialized tables of groups and measures, and the layout of their rows."""

from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import chain
from typing import Any

from msgspec import Struct

from tailrace.definition.collection import Collection, check_name
from tailrace.definition.field_uses import check_uses, field_uses, ratio_uses
from tailrace.definition.fields.arguments import check_display_metadata, check_field, check_predicate
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import Group
from tailrace.definition.groups.hops import HopGroup
from tailrace.definition.lifetimes import expiry_second
from tailrace.definition.measures.linear import Measure, Predicate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.ratios import AnyMeasure, Ratio
from tailrace.definition.measures.value_rows import ValueCount, ValueRange, ValueSelection
from tailrace.definition.row_attributes import INEXACT, ITEM_COUNT, UPDATED_AT, check_attributes
from tailrace.encoding.keys import group_list_key
from tailrace.errors import DefinitionError

MAX_LANES = 100


class Layout(Struct, frozen=True, eq=False):
    """The attributes of one kind of row: ``labels`` are set, ``counters`` (the first is ``~n``) are added to."""

    aggregate: "Aggregate"
    labels: tuple[str, ...]
    counters: tuple[str, ...]


class ValueRows(Struct, frozen=True, eq=False):
    """The value rows that several order measures of an aggregate share; or, without measures, a level of nodes.

    ``nodes`` are the levels above these value rows, if a measure needs them.
    """

    name: str
    values: ValueSelection
    measures: Mapping[str, OrderMeasure]
    layout: Layout
    nodes: tuple["ValueRows", ...] = ()

    @property
    def value_ranges(self) -> Mapping[ValueRange, int]:
        """The ranges of value rows that the measures need, each with how much of it is needed; 0 for all."""
        ranges: dict[ValueRange, int] = {}
        for measure in self.measures.values():
            ranges[measure.value_range] = max(measure.items_read, ranges.get(measure.value_range, 0))
        return ranges

    def state(self, counts: Mapping[ValueRange, Sequence[ValueCount]]) -> dict[str, Any]:
        """Return the main row's attributes from the value rows of the ranges that were read; None for no values."""
        state: dict[str, Any] = {}
        for name, measure in self.measures.items():
            if measure.value_range not in counts:
                continue
            state |= dict.fromkeys(measure.attributes(name)) | measure.state(name, counts[measure.value_range])
        return state


class GroupList(Struct, frozen=True, eq=False):
    """The rows that list the values of an aggregate's first group; ``sk`` is the value, ``~n`` its number of items."""

    pk: str
    layout: Layout


@dataclass(frozen=True, eq=False)
class Aggregate:
    """A materialized table of groups and their measures.

    Attributes:
        name: the first part of its rows' keys.
        of: the collection whose items it aggregates.
        by: the groups, in key order: the first is the partition key, the others form the sort key. At most one is a
            time bucket. An item whose group field is missing or null is in no row. Without groups, there is one row.
        measures: the measures of each row, by name.
        where: restricts the aggregate to the items that satisfy this predicate.
        each: the path of a list, map or set: its elements are counted instead of items, each in the row of its groups.
            Groups, measures and predicates see the item with the element in place of the list, so ``lines.product``
            is a field of the line. A map's entry has the fields ``key`` and ``value``. An item without elements is in
            no row.
        keep: how long a row is kept after its time bucket has ended; None keeps it forever.
        version: part of the key. Increment it whenever the meaning of the aggregate changes.
        lanes: the number of rows over which each row is spread, for rows that more shards of the stream update than
            one partition of the table can absorb. Readers add the lanes up. Linear measures only.
        listed: maintains a list of the first group's values, with the number of items of each, for readers. The list
            is one partition of the table, written whenever an item enters or leaves a value; turn it off if that
            happens a thousand times a second or more.
        description: a sentence for readers.

    Example:
        >>> from tailrace import Aggregate, Collection, count, day, field, total
        >>> orders = Collection("orders", schema={"type": "object"})
        >>> sales = Aggregate(
        ...     "sales",
        ...     of=orders,
        ...     by=[field("shop"), day("placed", tz="Europe/Berlin")],
        ...     measures={"orders": count(), "revenue": total("amount", unit="EUR")},
        ... )
        >>> sales.layout.labels, sales.layout.counters
        (('shop', 'day'), ('~n', 'orders', 'revenue'))
    """

    name: str
    of: Collection
    by: Sequence[Group]
    measures: Mapping[str, AnyMeasure]
    where: Predicate | None = None
    each: str | None = None
    keep: timedelta | None = None
    version: int = 1
    lanes: int = 1
    listed: bool = True
    description: str | None = None

    def __post_init__(self) -> None:
        check_name("aggregate", self.name)
        context = f"aggregate {self.name!r}"
        if isinstance(self.by, str) or not isinstance(self.by, Sequence) or not isinstance(self.measures, Mapping):
            raise DefinitionError(f"{context}: by= must be a list of groups, and measures= a dict of measures by name")
        object.__setattr__(self, "by", tuple(self.by))
        object.__setattr__(self, "measures", dict(self.measures))
        if all(isinstance(measure, Ratio) for measure in self.measures.values()):
            raise DefinitionError(f"{context}: needs at least one measure")
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise DefinitionError(f"{context}: version= must be an integer of at least 1, not {self.version!r}")
        if not isinstance(self.of, Collection):
            raise DefinitionError(f"{context}: of= must be a Collection, not {self.of!r}")
        if sum(isinstance(group, BucketGroup) for group in self.by) > 1:
            raise DefinitionError(f"{context}: has two time buckets; define an aggregate for each")
        if not all(isinstance(group, Group) for group in self.by):
            raise DefinitionError(
                f"{context}: groups must be field(…) or a time bucket such as hour(…), not {self.by!r}"
            )
        check_predicate(context, self.where)
        if self.keep is not None and not isinstance(self.keep, timedelta):
            raise DefinitionError(f"{context}: keep= must be a duration such as days(90), not {self.keep!r}")
        if self.keep is not None and (self.bucket is None or self.keep <= timedelta(0)):
            raise DefinitionError(f"{context}: keep= must be positive, and by= needs a time bucket to count it from")
        if not isinstance(self.listed, bool):
            raise DefinitionError(f"{context}: listed= must be True or False, not {self.listed!r}")
        check_display_metadata(context, description=self.description)
        check_attributes(context, self.by, self.measures)
        self._check_lanes(context)
        self._check_fields(context)

    def _check_fields(self, context: str) -> None:
        if self.each is not None:
            check_field(f"{context}: each=", self.each)
        uses = field_uses(self.by, self.stored_measures, self.each_path)
        check_uses(context, self.of, [*uses, *ratio_uses(self.measures, self.each_path)])

    def _check_lanes(self, context: str) -> None:
        if isinstance(self.lanes, bool) or not isinstance(self.lanes, int) or not 1 <= self.lanes <= MAX_LANES:
            raise DefinitionError(f"{context}: lanes= must be an integer from 1 to {MAX_LANES}, not {self.lanes!r}")
        if self.lanes > 1 and self.value_rows:
            names = ", ".join(name for rows in self.value_rows for name in rows.measures)
            raise DefinitionError(f"{context}: lanes= supports only linear measures; move {names} to another aggregate")

    @property
    def bucket(self) -> BucketGroup | None:
        """The time bucket among the groups, if any."""
        return next((group for group in self.by if isinstance(group, BucketGroup)), None)

    @cached_property
    def each_path(self) -> FieldPath | None:
        """The path of the field whose elements contribute, if any."""
        return None if self.each is None else field_path(self.each)

    @property
    def is_spread(self) -> bool:
        """Whether an item may be in several rows."""
        return self.each is not None or self.hop is not None

    @cached_property
    def hop(self) -> HopGroup | None:
        """The group by overlapping windows, if any."""
        return next((group for group in self.by if isinstance(group, HopGroup)), None)

    @cached_property
    def repeated_measures(self) -> frozenset[str]:
        """The measures to which one item may add in several time buckets, so that they cannot be summed over these.

        All of overlapping windows; and counts of items whose elements have times of their own.
        """
        if self.hop is not None:
            return frozenset(self.stored_measures)
        path, bucket = self.each_path, self.bucket
        if path is None or bucket is None or bucket.path.steps[: len(path.steps)] != path.steps:
            return frozenset()
        return frozenset(name for name, measure in self.measures.items() if measure.kind == "count_items")

    def with_ratios(self, names: set[str]) -> frozenset[str]:
        """Return the measures with these names, and the ratios that are made from one of them."""
        ratios = {
            name
            for name, measure in self.measures.items()
            if isinstance(measure, Ratio) and not names.isdisjoint((measure.numerator, measure.denominator))
        }
        return frozenset(names | ratios)

    @cached_property
    def once_positions(self) -> tuple[int, ...]:
        """The positions of the counters to which an item adds at most 1, however many of its elements are in a row."""
        columns = [column for _, measure in self.linear for column in measure.columns]
        return (0, *(position for position, column in enumerate(columns, 1) if column.once))

    @cached_property
    def stored_measures(self) -> Mapping[str, Measure | OrderMeasure]:
        """The measures that rows store: all but ratios."""
        return {name: one for name, one in self.measures.items() if not isinstance(one, Ratio)}

    @cached_property
    def linear(self) -> tuple[tuple[str, Measure], ...]:
        """The linear measures with their names, in the order in which a contribution lists their deltas."""
        return tuple((name, measure) for name, measure in self.measures.items() if isinstance(measure, Measure))

    @cached_property
    def layout(self) -> Layout:
        """The attributes of the main rows."""
        counters = (attribute for name, measure in self.linear for attribute in measure.attributes(name))
        return Layout(self, tuple(group.name for group in self.by), (ITEM_COUNT, *counters))

    @cached_property
    def group_list(self) -> GroupList | None:
        """The list of the first group's values; None if turned off, or for time buckets, whose number is unbounded."""
        first = self.by[0] if self.by else None
        if not self.listed or first is None or isinstance(first, BucketGroup):
            return None
        return GroupList(group_list_key(self.name, self.version), Layout(self, (first.name,), (ITEM_COUNT,)))

    @cached_property
    def value_rows(self) -> tuple[ValueRows, ...]:
        """The kinds of value rows behind the order measures, each named after the first of its measures, and nodes."""
        shared: dict[ValueSelection, dict[str, OrderMeasure]] = {}
        for name in sorted(self.measures):
            measure = self.measures[name]
            if isinstance(measure, OrderMeasure):
                shared.setdefault(measure.values, {})[name] = measure
        kinds = [self._value_rows(next(iter(named)), values, named) for values, named in shared.items()]
        return tuple(chain.from_iterable((kind, *kind.nodes) for kind in kinds))

    def _value_rows(self, name: str, values: ValueSelection, measures: Mapping[str, OrderMeasure]) -> ValueRows:
        lengths = values.node_lengths if any(one.value_range == "ranks" for one in measures.values()) else ()
        nodes = [self._value_rows(f"{name}.{length}", replace(values, node=length), {}) for length in lengths]
        return ValueRows(name, values, measures, Layout(self, values.labels, (ITEM_COUNT,)), tuple(nodes))

    @cached_property
    def counted(self) -> Mapping[Layout, tuple[str, ...]]:
        """The measures that count values as they appear and disappear, by the layout of their value rows."""
        names = {
            kind.layout: [name for name, one in kind.measures.items() if one.is_counted] for kind in self.value_rows
        }
        return {layout: tuple(found) for layout, found in names.items() if found}

    @cached_property
    def read_back(self) -> tuple[ValueRows, ...]:
        """The kinds of value rows that other measures are read from, each with these measures only."""
        measures = [
            {name: one for name, one in kind.measures.items() if not one.is_counted} for kind in self.value_rows
        ]
        return tuple(
            replace(kind, measures=found) for kind, found in zip(self.value_rows, measures, strict=True) if found
        )

    def expires_at(self, groups: Sequence[Any]) -> int | None:
        """Return the epoch second at which a row may expire: ``keep`` after the end of its time bucket.

        None if it never expires, or only after the year 9999.
        """
        if self.keep is None or (bucket := self.bucket) is None:
            return None
        return expiry_second(bucket, groups[self.by.index(bucket)], self.keep)

    def render(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a stored row as readers get it: groups, measures, ``updated_at``; None for an empty group.

        A row with a negative item count, whose additions have not arrived yet, is also empty.
        ``inexact: True`` marks a row whose measures lack a change because DynamoDB could not store the sum.
        """
        if row.get(ITEM_COUNT, 0) <= 0:
            return None
        groups = {group.name: row.get(group.name) for group in self.by}
        values = {name: measure.render(name, row) for name, measure in self.stored_measures.items()}
        measures = {
            name: one.of(values) if isinstance(one, Ratio) else values[name] for name, one in self.measures.items()
        }
        flag = {"inexact": True} if row.get(INEXACT) else {}
        return groups | measures | {UPDATED_AT: row.get(UPDATED_AT)} | flag
