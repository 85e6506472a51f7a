"""A materialized table of groups and their measures, and how its rows are laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any

from tailrace.definition.checks import check_display_metadata, check_predicate
from tailrace.definition.collection import Collection, check_name
from tailrace.definition.groups import BucketGroup, Group
from tailrace.definition.measures import Measure, Predicate
from tailrace.definition.order_measures import OrderMeasure, ValueCount, ValueRange, ValueSelection
from tailrace.encoding.keys import group_list_key
from tailrace.errors import DefinitionError

ITEM_COUNT = "~n"
"""The attribute that counts the items of a row; a row whose count is 0 is not shown."""

INEXACT = "~inexact"
"""The attribute that counts the changes whose sums DynamoDB could not hold; the row's measures lack them."""

UPDATED_AT, EXPIRES_AT = "updated_at", "expires_at"
"""When a row was last written, and the second after which DynamoDB may delete it."""

MAX_LANES = 100

MAX_ATTRIBUTES = 200
"""Of the groups and measures of a row: all are written by one update, whose expression DynamoDB limits to 4 KB."""

MAX_ORDER_VALUES = 300
"""Of the order measures of a row: each may have 1 KB, and DynamoDB holds no row of more than 400 KB."""

_RESERVED = {"pk", "sk", UPDATED_AT, EXPIRES_AT, "inexact"}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The attributes of one kind of row: ``labels`` are set, ``counters`` are added to; the first is ``~n``."""

    aggregate: "Aggregate"
    labels: tuple[str, ...]
    counters: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ValueRows:
    """The value rows that some order measures of an aggregate share."""

    name: str
    values: ValueSelection
    measures: Mapping[str, OrderMeasure]
    layout: Layout

    @property
    def value_ranges(self) -> tuple[ValueRange, ...]:
        """Which parts of the rows the measures need, each once, in the same order in every run."""
        return tuple(dict.fromkeys(measure.value_range for measure in self.measures.values()))

    def state(self, counts: Mapping[ValueRange, Sequence[ValueCount]]) -> dict[str, Any]:
        """Return the main row's attributes, from the value rows read for each reach; None for those without values."""
        state: dict[str, Any] = {}
        for name, measure in self.measures.items():
            state |= dict.fromkeys(measure.attributes(name)) | measure.state(name, counts[measure.value_range])
        return state


@dataclass(frozen=True, slots=True, eq=False)
class GroupList:
    """The rows that list the values of an aggregate's first group: ``sk`` is the value, ``~n`` counts its items."""

    pk: str
    layout: Layout


@dataclass(frozen=True, eq=False)
class Aggregate:
    """A materialized table of groups and their measures.

    Attributes:
        name: the first part of its rows' keys.
        of: the collection whose items it counts.
        by: the groups, in the order of the key: the first is the partition, the others sort within it. At most
            one of them is a time bucket. An item whose group field is missing or null is in no row.
        measures: what each row keeps, by name.
        where: counts only the items for which this holds.
        keep: how long a row stays after its time bucket is over; None for ever.
        version: part of the key. Changing what an aggregate means is a new version.
        lanes: spreads each row over so many, one for each shard of the stream, for rows that more shards write than
            one partition of the table takes; readers add them up. Only for linear measures.
        listed: keeps a list of the first group's values, with the number of items of each, so that readers can ask
            which there are. The list is one partition of the table, written when an item comes to a value or leaves it:
            not for a first group of so many values that a thousand times a second one of them comes or goes.
        description: a sentence for readers.
    """

    name: str
    of: Collection
    by: Sequence[Group]
    measures: Mapping[str, Measure | OrderMeasure]
    where: Predicate | None = None
    keep: timedelta | None = None
    version: int = 1
    lanes: int = 1
    listed: bool = True
    description: str | None = None

    def __post_init__(self) -> None:
        check_name("aggregate", self.name)
        context = f"aggregate {self.name!r}"
        if isinstance(self.by, str) or not isinstance(self.by, Sequence) or not isinstance(self.measures, Mapping):
            raise DefinitionError(f"{context}: by= is a list of groups, and measures= are measures by their names")
        object.__setattr__(self, "by", tuple(self.by))
        object.__setattr__(self, "measures", dict(self.measures))
        if not self.by or not self.measures:
            raise DefinitionError(f"{context}: needs at least one group and one measure")
        if isinstance(self.version, bool) or not isinstance(self.version, int) or self.version < 1:
            raise DefinitionError(f"{context}: the version is a whole number from 1, not {self.version!r}")
        if not isinstance(self.of, Collection):
            raise DefinitionError(f"{context}: of= names a Collection, not a {type(self.of).__name__}")
        if sum(isinstance(group, BucketGroup) for group in self.by) > 1:
            raise DefinitionError(f"{context}: two time buckets; make them two aggregates")
        if not all(isinstance(group, Group) for group in self.by):
            raise DefinitionError(f"{context}: a group is field(…) or a time bucket such as hour(…), not {self.by!r}")
        check_predicate(context, self.where)
        if self.keep is not None and not isinstance(self.keep, timedelta):
            raise DefinitionError(f"{context}: keep= is a time such as days(90), not {self.keep!r}")
        if self.keep is not None and (self.bucket is None or self.keep <= timedelta(0)):
            raise DefinitionError(f"{context}: keep= is a positive time and needs a time bucket that it counts from")
        if not isinstance(self.listed, bool):
            raise DefinitionError(f"{context}: listed is True or False, not {self.listed!r}")
        check_display_metadata(context, description=self.description)
        self._check_attributes(context)
        self._check_lanes(context)
        self._check_fields(context)

    def _check_attributes(self, context: str) -> None:
        seen: set[str] = set(_RESERVED)
        names = [group.name for group in self.by]
        for name, measure in self.measures.items():
            if not isinstance(name, str) or not isinstance(measure, Measure | OrderMeasure):
                raise DefinitionError(f"{context}: measure {name!r} is a {type(measure).__name__}, not a measure")
            check_display_metadata(f"{context}: measure {name!r}", unit=measure.unit, description=measure.description)
            names.extend(measure.attributes(name))
        if len(names) > MAX_ATTRIBUTES:
            raise DefinitionError(f"{context}: {len(names)} attributes, and a row has {MAX_ATTRIBUTES}: make it two")
        values = sum(measure.most or 1 for measure in self.measures.values() if isinstance(measure, OrderMeasure))
        if values > MAX_ORDER_VALUES:
            raise DefinitionError(
                f"{context}: keeps {values} values, and a row has room for {MAX_ORDER_VALUES}: make it two"
            )
        for name in names:
            if not name or name.startswith("~"):
                raise DefinitionError(
                    f"{context}: the attribute {name!r} is empty or begins with '~', which is the engine's"
                )
            if name in seen:
                raise DefinitionError(
                    f"{context}: two things are called {name!r}; give one another name (a group: name=)"
                )
            seen.add(name)

    def _check_lanes(self, context: str) -> None:
        if isinstance(self.lanes, bool) or not isinstance(self.lanes, int) or not 1 <= self.lanes <= MAX_LANES:
            raise DefinitionError(f"{context}: lanes is a whole number from 1 to {MAX_LANES}, not {self.lanes!r}")
        if self.lanes > 1 and self.value_rows:
            names = ", ".join(name for rows in self.value_rows for name in rows.measures)
            raise DefinitionError(
                f"{context}: lanes add up, and {names} cannot be added: keep them in another aggregate"
            )

    def _check_fields(self, context: str) -> None:
        # a transform may add any field, so only without one is it known here which fields there can be
        known = self.of.compiled.properties
        if (
            self.of.transform is not None
            or not known
            or self.of.compiled.document.get("additionalProperties") is not False
        ):
            return
        for source in [group.source for group in self.by] + [m.source for m in self.measures.values() if m.source]:
            if source not in known:
                raise DefinitionError(
                    f"{context}: unknown field {source!r}; {self.of.name!r} has {', '.join(sorted(known))}"
                )

    @property
    def bucket(self) -> BucketGroup | None:
        """The time bucket among the groups, if there is one."""
        return next((group for group in self.by if isinstance(group, BucketGroup)), None)

    @cached_property
    def linear(self) -> tuple[tuple[str, Measure], ...]:
        """The measures that are sums, with their names, in the order of an item's parts."""
        return tuple((name, measure) for name, measure in self.measures.items() if isinstance(measure, Measure))

    @cached_property
    def layout(self) -> Layout:
        """The attributes of the main rows."""
        counters = (attribute for name, measure in self.linear for attribute in measure.attributes(name))
        return Layout(self, tuple(group.name for group in self.by), (ITEM_COUNT, *counters))

    @cached_property
    def group_list(self) -> "GroupList | None":
        """Where the first group's values are listed; None where they are not, or are buckets of time, which go on."""
        first = self.by[0]
        if not self.listed or isinstance(first, BucketGroup):
            return None
        return GroupList(group_list_key(self.name, self.version), Layout(self, (first.name,), (ITEM_COUNT,)))

    @cached_property
    def value_rows(self) -> tuple[ValueRows, ...]:
        """The kinds of value rows that the order measures rest on; each is called as the first of its measures."""
        shared: dict[ValueSelection, dict[str, OrderMeasure]] = {}
        for name in sorted(self.measures):
            measure = self.measures[name]
            if isinstance(measure, OrderMeasure):
                shared.setdefault(measure.values, {})[name] = measure
        return tuple(
            ValueRows(next(iter(named)), values, named, Layout(self, values.labels, (ITEM_COUNT,)))
            for values, named in shared.items()
        )

    def expires_at(self, groups: Sequence[Any]) -> int | None:
        """Return the second since 1970 at which a row may go: when its time bucket is over, and ``keep`` has passed.

        None for never, as where that is later than any year of the calendar.
        """
        if self.keep is None or (bucket := self.bucket) is None:
            return None
        return _expiry_second(bucket, groups[self.by.index(bucket)], self.keep)

    def render(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a stored row as readers see it: groups, measures, ``updated_at``; None for an empty group.

        A row that lacks a change whose sum DynamoDB could not hold says ``inexact: True``.
        """
        if not row.get(ITEM_COUNT):
            return None
        groups = {group.name: row.get(group.name) for group in self.by}
        measures = {name: measure.render(name, row) for name, measure in self.measures.items()}
        flag = {"inexact": True} if row.get(INEXACT) else {}
        return groups | measures | {UPDATED_AT: row.get(UPDATED_AT)} | flag


@lru_cache(maxsize=4096)
def _expiry_second(bucket: BucketGroup, label: str, keep: timedelta) -> int | None:
    try:
        return int((bucket.end(label) + keep).timestamp())
    except (ValueError, OverflowError):  # at either end of the calendar, years 1 and 9999
        return 0 if label.startswith("0") else None
