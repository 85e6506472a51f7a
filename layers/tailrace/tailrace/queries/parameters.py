"""The parameters of a request for rows, read into a query; whatever makes no bounded range of keys is refused."""

from collections.abc import Sequence
from itertools import islice

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups import BucketGroup, Group
from tailrace.encoding.keys import MOST_PARTITION_KEY_BYTES, MOST_SORT_KEY_BYTES
from tailrace.errors import InvalidMessage, KeyOrder
from tailrace.queries.groups import GroupQuery
from tailrace.queries.rollup import COARSER, MOST_IN, widened
from tailrace.queries.rows import RowQuery
from tailrace.queries.time_ranges import Window, bucket_of, window

MOST_ROWS = 1000
ROWS_UNASKED = 100
"""The rows of a page at most, and those of a page for which no ``limit`` is given."""

MOST_RANKED = 100
RANKED_UNASKED = 10
"""The same for the rows of a ranking."""

MOST_VALUES = 25
"""Of the first group, in one query."""

MOST_LISTED = 1000
LISTED_UNASKED = 100
"""The values of a list of groups at most, and those for which no ``n`` is given."""

MOST_PARTITIONS = 10_000
"""The widest range of an aggregate whose first group is its time bucket; each bucket is a partition to look into."""

ORDERS = ("asc", "desc")
LIST_ORDERS = ("items", "key")

_OPTIONS = ("from", "to", "limit", "cursor", "order", "interval", "by", "n")
_OF_ROWS = ("from", "to", "limit", "cursor", "order", "interval")
_OF_RANKING = ("from", "to", "order", "by", "n")
_OF_LIST = ("n", "order", "cursor")

type Parameters = Sequence[tuple[str, str]]


def row_query(aggregate: Aggregate, parameters: Parameters) -> RowQuery:
    """Read the parameters of a request for rows.

    Group values by the group's name, ``from``, ``to``, ``order``, ``interval``, ``limit`` and ``cursor``. A group that
    is called as one of the API's own parameters is named with ``group.`` before it. The first group may come several
    times, unless it is a bucket of time.

    Raises:
        InvalidMessage: a parameter is unknown, comes twice or cannot be read; or they make no bounded range of keys.
        KeyOrder: the key of the aggregate does not allow it.
    """
    parameters, others = _several(aggregate, parameters)
    given = _checked(aggregate, parameters, _OF_ROWS)
    covered = _window(aggregate, given)
    interval = _interval(aggregate, given, covered)
    if interval is not None and covered is not None:
        covered = widened(covered, interval)
    limit = _number(given, "limit", ROWS_UNASKED, MOST_ROWS)
    query = RowQuery(
        aggregate,
        _texts(aggregate, given, covered),
        covered,
        limit,
        descending=_choice(given, "order", ORDERS) == "desc",
        interval=interval,
        others=others,
    )
    _check_lengths(query)
    return query if "cursor" not in given else query.starting_at(given["cursor"])


def ranking_query(aggregate: Aggregate, parameters: Parameters) -> tuple[RowQuery, str, bool]:
    """Read the parameters of a request for a ranking: group values, ``from``, ``to``, ``by``, ``n`` and ``order``.

    Returned are the rows to rank and how many are wanted, the measure, and whether the greatest come first.

    Raises:
        InvalidMessage: a parameter is unknown, comes twice or cannot be read.
        KeyOrder: what is to be ranked does not lie in one partition of the table.
    """
    given = _checked(aggregate, parameters, _OF_RANKING)
    by = given.get("by", "")
    if by not in rankable(aggregate):
        names = ", ".join(rankable(aggregate)) or "none that there are"
        raise InvalidMessage(f"by names the measure to rank by: one of {names}")
    first = aggregate.by[0]
    if parameter_name(first) not in given:
        others = ", ".join(group.name for group in aggregate.by[1:]) or "nothing"
        raise KeyOrder(
            f"rows of one {first.name} lie together: give {parameter_name(first)}, and {others} within it is ranked; "
            "to rank otherwise, keep an aggregate whose groups are in another order"
        )
    if len(aggregate.by) == 1:
        raise KeyOrder(f"{aggregate.name} has one row for each {first.name}, and no two of them lie together")
    covered = _window(aggregate, given)
    most = _number(given, "n", RANKED_UNASKED, MOST_RANKED)
    query = RowQuery(aggregate, _texts(aggregate, given, covered), covered, most)
    _check_lengths(query)
    return query, by, _choice(given, "order", ORDERS) != "asc"


def group_query(aggregate: Aggregate, parameters: Parameters) -> GroupQuery:
    """Read the parameters of a request for the values of the first group: ``n``, ``order`` and ``cursor``.

    Raises:
        InvalidMessage: a parameter is unknown, comes twice or cannot be read.
        KeyOrder: the aggregate keeps no list of them.
    """
    given = _checked(aggregate, parameters, _OF_LIST, groups=())
    listed, first = aggregate.group_list, aggregate.by[0]
    if listed is None:
        why = "its first group is a bucket of time" if first is aggregate.bucket else "its definition says listed=False"
        raise KeyOrder(f"{aggregate.name} keeps no list of {first.name}: {why}")
    most = _number(given, "n", LISTED_UNASKED, MOST_LISTED)
    by_key = _choice(given, "order", LIST_ORDERS) == "key"
    if "cursor" in given and not by_key:
        raise InvalidMessage("a list goes on at a cursor with order=key only")
    query = GroupQuery(listed, most, by_key)
    return query if "cursor" not in given else query.starting_at(given["cursor"])


def rankable(aggregate: Aggregate) -> list[str]:
    """Return the names of the measures that rows can be ranked by: those that are one value."""
    return [name for name, measure in aggregate.measures.items() if measure.kind not in ("top", "first", "last")]


def intervals(aggregate: Aggregate) -> list[str]:
    """Return the intervals that an aggregate's rows can be added up to."""
    bucket = aggregate.bucket
    if bucket is None:
        return []
    coarser = COARSER.get(bucket.unit, ())
    return [one for one in coarser if aggregate.by[0] is not bucket or (bucket.unit, one) in MOST_IN]


def parameter_name(group: Group) -> str:
    """Return the name of the parameter that gives a group's value."""
    return f"group.{group.name}" if group.name in _OPTIONS else group.name


def _several(aggregate: Aggregate, parameters: Parameters) -> tuple[Parameters, tuple[str, ...]]:
    """Return the parameters with one value of the first group, and the other values of it that there are."""
    name = parameter_name(aggregate.by[0])
    values = [value for given, value in parameters if given == name]
    if aggregate.by[0] is aggregate.bucket or len(values) < 2:  # noqa: PLR2004 - several
        return parameters, ()
    if len(values) > MOST_VALUES or len(set(values)) < len(values):
        raise InvalidMessage(f"{name} comes with up to {MOST_VALUES} different values")
    return [*((given, value) for given, value in parameters if given != name), (name, values[0])], tuple(values[1:])


def _checked(
    aggregate: Aggregate, parameters: Parameters, options: Sequence[str], groups: Sequence[Group] | None = None
) -> dict[str, str]:
    known = [*(parameter_name(group) for group in (aggregate.by if groups is None else groups)), *options]
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            raise InvalidMessage(f"unknown parameter {name[:60]!r}; there are: {', '.join(known)}")
        if name in given:
            raise InvalidMessage(f"the parameter {name} comes more than once")
        given[name] = value
    return given


def _number(given: dict[str, str], name: str, unasked: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return unasked
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise InvalidMessage(f"{name} is a whole number from 1 to {most}, not {text[:20]!r}")
    return int(text)


def _choice(given: dict[str, str], name: str, choices: Sequence[str]) -> str | None:
    text = given.get(name)
    if text is not None and text not in choices:
        raise InvalidMessage(f"{name} is one of {', '.join(choices)}, not {text[:20]!r}")
    return text


def _interval(aggregate: Aggregate, given: dict[str, str], covered: Window | None) -> str | None:
    if "interval" not in given:
        return None
    bucket = aggregate.bucket
    choices = COARSER.get(bucket.unit, ()) if bucket is not None else ()
    if bucket is None or not choices:
        what = "no time bucket" if bucket is None else f"{bucket.unit}s, which go whole into nothing longer"
        raise InvalidMessage(f"{aggregate.name} has {what}: interval cannot be given")
    interval = _choice(given, "interval", choices)
    if parameter_name(bucket) in given:
        raise InvalidMessage(f"{parameter_name(bucket)} names one {bucket.unit}: use from and to with interval")
    if interval is not None and aggregate.by[0] is bucket and (bucket.unit, interval) not in MOST_IN:
        raise KeyOrder(
            f"each {bucket.unit} of {aggregate.name} lies by itself, and a {interval} holds too many of them to be "
            "added up in one answer; keep an aggregate of that interval, or one whose first group is another"
        )
    return interval if covered is not None or aggregate.by[0] is not bucket else None


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
        for found in islice(query.ranges(), 1 + len(query.others)):
            texts = [found.prefix, *(found.between or ())]
            if len(found.pk.encode()) > MOST_PARTITION_KEY_BYTES or any(
                len(text.encode()) > MOST_SORT_KEY_BYTES for text in texts
            ):
                raise InvalidMessage("a group's value is longer than a key can be")
