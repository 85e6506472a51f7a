"""Parsing query parameters into queries; a request that would need an unbounded read is rejected."""

from datetime import timedelta
from itertools import islice

from msgspec.structs import replace

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import UNITS
from tailrace.encoding.keys import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES, group_list_key
from tailrace.errors import InvalidMessage, NotAdditive, UnsupportedKeyOrder
from tailrace.queries.group_values import GivenGroup, combinations, given_group
from tailrace.queries.groups import GroupQuery
from tailrace.queries.intervals import (
    MAX_PARTITIONS_PER_INTERVAL,
    RANGE,
    aligned,
    coarser_units,
    max_buckets_in,
    why_not_rolled_up,
)
from tailrace.queries.parameter_values import Parameters, check_parameters, choice, hint, parameter_name, whole_number
from tailrace.queries.rollup import OVERLAPPING, non_additive_measures, reason_left_out
from tailrace.queries.rows import RowQuery
from tailrace.queries.time_ranges import BucketRange, bounds, bucket_range
from tailrace.queries.windows import WITHOUT_WINDOW, parse_window, stored_range

MAX_ROWS = 1000
DEFAULT_ROWS = 100
"""Maximum and default of ``limit``, the rows per page."""

MAX_RANKED = 100
DEFAULT_RANKED = 10
"""Maximum and default of ``n``, the rows of a ranking."""

MAX_FIRST_GROUP_VALUES = 25
"""The most values of the first group in one query."""

MAX_LISTED = 1000
DEFAULT_LISTED = 100
"""Maximum and default of ``n``, the values of a list of groups."""

MAX_PARTITIONS = 10_000
"""The most buckets in a range if the time bucket is the first group: each bucket is a partition to query."""

ORDERS = ("asc", "desc")
LIST_ORDERS = ("items", "key")

_ROW_OPTIONS = ("from", "to", "limit", "cursor", "order", "interval", "window")
_RANKING_OPTIONS = ("from", "to", "order", "interval", "by", "n")
_LIST_OPTIONS = ("n", "order", "cursor")


def parse_row_query(aggregate: Aggregate, parameters: Parameters, epoch: int = 0) -> RowQuery:
    """Parse the parameters of a request for rows.

    These are the group values, by group name, and ``from``, ``to``, ``order``, ``interval``, ``window``, ``limit`` and
    ``cursor``.
    A group whose name is also one of the API's parameters is prefixed with ``group.``. The first group may be repeated,
    unless it is a time bucket. ``epoch`` is that of the generation to read.

    Raises:
        InvalidMessage: a parameter is unknown, repeated or malformed; or the key range would be unbounded.
        UnsupportedKeyOrder: the aggregate's group order does not allow the query.
    """
    parameters, first_values = _split_first_group(aggregate, parameters)
    given = check_parameters(aggregate, parameters, _ROW_OPTIONS)
    buckets = _bucket_range(aggregate, given)
    interval = _interval(aggregate, given, buckets)
    if interval is not None and buckets is not None:
        buckets = aligned(buckets, interval)
    query = RowQuery(
        aggregate,
        (),
        buckets,
        whole_number(given, "limit", DEFAULT_ROWS, MAX_ROWS),
        descending=choice(given, "order", ORDERS) == "desc",
        interval=interval,
        epoch=epoch,
    )
    query = _with_groups(query, given, first_values)
    if "window" in given:
        query = _with_window(query, given)
    _check_lengths(query)
    return query if "cursor" not in given else query.starting_at(given["cursor"])


def parse_ranking_query(aggregate: Aggregate, parameters: Parameters, epoch: int = 0) -> tuple[RowQuery, str, bool]:
    """Parse the parameters of a request for a ranking: those of :func:`parse_row_query`, ``by``, ``n`` and ``order``.

    If the time bucket comes first in the key, and the request gives a range of buckets, the other groups are ranked by
    the whole range (``interval=range``).

    Returns:
        The query for the rows to rank, whose limit is ``n``; the measure; and whether the greatest come first.

    Raises:
        InvalidMessage: a parameter is unknown, repeated or malformed.
        NotAdditive: the measure of an interval cannot be derived from its rows.
        UnsupportedKeyOrder: the rows to rank are not in the partitions that the request names.
    """
    parameters, first_values = _split_first_group(aggregate, parameters)
    given = check_parameters(aggregate, parameters, _RANKING_OPTIONS)
    by = given.get("by", "")
    if by not in rankable_measures(aggregate):
        names = ", ".join(rankable_measures(aggregate)) or f"none; {aggregate.name} has no such measures"
        raise InvalidMessage(f"by must be a measure to rank by: {names}")
    _check_rankable(aggregate, given, first_values)
    buckets = _bucket_range(aggregate, given)
    ranks_range = buckets is not None and aggregate.by[0] is buckets.bucket and len(aggregate.by) > 1
    interval = _interval(aggregate, given, buckets) or (RANGE if ranks_range else None)
    if interval is not None and by in non_additive_measures(aggregate):
        raise NotAdditive(f"{by} of several rows cannot be ranked: {reason_left_out(aggregate, by)}")
    if interval is not None and buckets is not None:
        buckets = aligned(buckets, interval)
    maximum = whole_number(given, "n", DEFAULT_RANKED, MAX_RANKED)
    query = RowQuery(aggregate, (), buckets, maximum, interval=interval, epoch=epoch)
    query = _with_groups(query, given, first_values)
    _check_lengths(query)
    return query, by, choice(given, "order", ORDERS) != "asc"


def _check_rankable(aggregate: Aggregate, given: dict[str, str], first_values: tuple[str, ...]) -> None:
    if not aggregate.by:
        raise UnsupportedKeyOrder(f"{aggregate.name} has no groups, so there is only one row: read it with /rows")
    first = aggregate.by[0]
    name = parameter_name(first)
    if name not in given and not (first is aggregate.bucket and ("from" in given or "to" in given)):
        if len(aggregate.by) == 1 and first is not aggregate.bucket:
            ask = f"give up to {MAX_FIRST_GROUP_VALUES} values of {name} to rank"
            text = f"{aggregate.name} has one row per {name}: {ask}, or define an aggregate with a group before it"
            raise UnsupportedKeyOrder(text)
        inner_groups = ", ".join(group.name for group in aggregate.by[1:]) or "its buckets"
        values = "a time range" if first is aggregate.bucket else f"up to {MAX_FIRST_GROUP_VALUES} of them"
        raise UnsupportedKeyOrder(
            f"rows are ranked within the {first.name} that is given: give {name} to rank {inner_groups} within it, or "
            f"{values}, or define an aggregate with another group order"
        )
    if len(aggregate.by) == 1 and name in given and not first_values:
        raise UnsupportedKeyOrder(
            f"{aggregate.name} has one row per {first.name}: ranking needs a second group, or several values of "
            f"{first.name}"
        )


def parse_group_query(aggregate: Aggregate, parameters: Parameters, epoch: int = 0) -> GroupQuery:
    """Parse the parameters of a request for the values of the first group: ``n``, ``order`` and ``cursor``.

    Raises:
        InvalidMessage: a parameter is unknown, repeated or malformed.
        UnsupportedKeyOrder: the aggregate keeps no list of these values.
    """
    given = check_parameters(aggregate, parameters, _LIST_OPTIONS, groups=())
    group_list = aggregate.group_list
    if group_list is None:
        raise UnsupportedKeyOrder(f"{aggregate.name} keeps no list of groups: {_unlisted_reason(aggregate)}")
    maximum = whole_number(given, "n", DEFAULT_LISTED, MAX_LISTED)
    by_key = choice(given, "order", LIST_ORDERS) == "key"
    if "cursor" in given and not by_key:
        raise InvalidMessage("cursor requires order=key")
    pk = group_list_key(aggregate.name, aggregate.version, epoch)
    query = GroupQuery(replace(group_list, pk=pk), maximum, by_key)
    return query if "cursor" not in given else query.starting_at(given["cursor"])


def _unlisted_reason(aggregate: Aggregate) -> str:
    if not aggregate.by:
        return "it has none"
    return "its first group is a time bucket" if aggregate.by[0] is aggregate.bucket else "it has listed=False"


def rankable_measures(aggregate: Aggregate) -> list[str]:
    """Return the names of the measures that rows can be ranked by: those with a single value."""
    return [name for name, measure in aggregate.measures.items() if measure.has_single_value]


def rollup_intervals(aggregate: Aggregate) -> list[str]:
    """Return the intervals that an aggregate's rows can be rolled up to."""
    bucket = aggregate.bucket
    if bucket is None or aggregate.hop is not None:
        return []
    is_first = aggregate.by[0] is bucket
    return [
        interval
        for interval in coarser_units(bucket)
        if not is_first or max_buckets_in(bucket, interval) <= MAX_PARTITIONS_PER_INTERVAL
    ]


def _split_first_group(aggregate: Aggregate, parameters: Parameters) -> tuple[Parameters, tuple[str, ...]]:
    """Return the parameters with a single value of the first group, and all its values."""
    if not aggregate.by:
        return parameters, ()
    first = aggregate.by[0]
    name = parameter_name(first)
    values = [value for given, value in parameters if given == name]
    if first is aggregate.bucket or len(values) < 2:  # noqa: PLR2004 - several
        return parameters, ()
    if len(values) > MAX_FIRST_GROUP_VALUES or len(given_group(aggregate, first, values).texts) < len(values):
        raise InvalidMessage(f"{name} takes at most {MAX_FIRST_GROUP_VALUES} values, all different")
    return [*((given, value) for given, value in parameters if given != name), (name, values[0])], tuple(values)


def _interval(aggregate: Aggregate, given: dict[str, str], buckets: BucketRange | None) -> str | None:
    if "interval" not in given:
        return None
    bucket = aggregate.bucket
    if bucket is None:
        raise InvalidMessage(f"{aggregate.name} takes no interval: it has no time bucket")
    if aggregate.hop is not None:
        raise NotAdditive(f"{aggregate.name} takes no interval: {OVERLAPPING}")
    if given["interval"] in UNITS and given["interval"] not in coarser_units(bucket):
        raise InvalidMessage(why_not_rolled_up(bucket, given["interval"]))
    interval = choice(given, "interval", (*coarser_units(bucket), RANGE))
    if parameter_name(bucket) in given:
        raise InvalidMessage(f"{parameter_name(bucket)} is a single {bucket.noun}: use from and to with interval")
    if interval is not None and interval not in (*rollup_intervals(aggregate), RANGE):
        raise UnsupportedKeyOrder(
            f"each {bucket.noun} of {aggregate.name} is its own partition, and a {interval} has too many to "
            f"roll up in one request: define an aggregate by {interval}, or one with another first group"
        )
    return interval if buckets is not None or aggregate.by[0] is not bucket else None


def _bucket_range(aggregate: Aggregate, given: dict[str, str]) -> BucketRange | None:
    first, last = given.get("from"), given.get("to")
    bucket = aggregate.bucket
    if first is None and last is None:
        return None
    if bucket is None:
        raise InvalidMessage(f"{aggregate.name} has no time bucket for from and to{hint(aggregate, given)}")
    if parameter_name(bucket) in given:
        raise InvalidMessage(f"give either {parameter_name(bucket)}, or from and to")
    buckets = bucket_range(bucket, first, last)
    if aggregate.by[0] is bucket:
        if first is None or last is None:
            raise InvalidMessage(f"{aggregate.name} is grouped by {bucket.unit} first: give both from and to")
        if buckets.max_bucket_count() > MAX_PARTITIONS:
            raise InvalidMessage(f"from and to are more than {MAX_PARTITIONS} time buckets apart: narrow the range")
    return buckets


def _with_groups(query: RowQuery, given: dict[str, str], first_values: tuple[str, ...]) -> RowQuery:
    """Return the query with the given groups, which must come first in the key; skip the bucket of a range."""
    found: list[GivenGroup] = []
    missing = ""
    for index, group in enumerate(query.aggregate.by):
        name = parameter_name(group)
        in_range = query.bucket_range is not None and group is query.bucket_range.bucket
        if missing and (name in given or in_range):
            raise InvalidMessage(
                f"{'from and to require' if in_range else f'{name} requires'} {missing}, which precedes it in the key"
            )
        if name in given:
            values = first_values if index == 0 and first_values else (given[name],)
            found.append(given_group(query.aggregate, group, values))
        elif index == 0 and not in_range:
            raise InvalidMessage(
                f"{name} is missing" + (": give it, or from and to" if group is query.aggregate.bucket else "")
            )
        elif not missing and (index > 0 or not in_range):
            missing = f"one {name}" if in_range else name
    texts, *others = combinations(found)
    strings = tuple((one.group.name, one.exact) for one in found if one.exact is not None)
    return replace(query, texts=texts, other_texts=tuple(others), strings=strings)


def _with_window(query: RowQuery, given: dict[str, str]) -> RowQuery:
    aggregate = query.aggregate
    if aggregate.bucket is None:
        raise InvalidMessage(f"{aggregate.name} takes no window: it has no time bucket")
    if query.interval == RANGE:
        raise InvalidMessage("a window needs buckets that it can end with: give another interval, or none")
    if "from" not in given or "to" not in given:
        raise InvalidMessage("window requires both from and to: the first and the last bucket to show")
    if not aggregate.linear or aggregate.hop is not None:
        raise NotAdditive(f"{aggregate.name} has no moving sums: {WITHOUT_WINDOW}")
    window = parse_window(given["window"], query.step())
    if query.steps().max_bucket_count() > MAX_PARTITIONS:
        raise InvalidMessage(f"from and to are more than {MAX_PARTITIONS} time buckets apart: narrow the range")
    try:
        for descending in (False, True):
            for label in islice(query.steps().labels(descending=descending), 1):
                stored_range(aggregate.bucket, *window.ends(query.step(), label), query.step())
                aggregate.bucket.label(bounds(query.step(), label)[1] - timedelta(microseconds=1))
    except OverflowError as error:
        raise InvalidMessage("the window reaches beyond the calendar") from error
    return replace(query, window=window)


def _check_lengths(query: RowQuery) -> None:
    """Reject values longer than a key can be: no row has them, and DynamoDB would reject the query."""
    if query.bucket_range is None or query.texts:
        for found in islice(query.ranges(), 1 + len(query.other_texts)):
            texts = [found.prefix, *(found.between or ())]
            if len(found.pk.encode()) > MAX_PARTITION_KEY_BYTES or any(
                len(text.encode()) > MAX_SORT_KEY_BYTES for text in texts
            ):
                raise InvalidMessage("a group's value is longer than a DynamoDB key")
