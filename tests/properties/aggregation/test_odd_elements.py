"""Elements and nested fields of any items, under any names: the rows equal a plain recompute, and can be taken back."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, count_items, distinct, field, largest, total
from tailrace.aggregation.fold import fold_records
from tailrace.definition.fields.paths import source_of
from tailrace.encoding.numbers import EXACT, canonical_number
from tailrace.testing import history, rows, stored_rows
from tests.properties.aggregation.things import merged
from tests.strategies import texts, values

type Item = dict[str, Any]
type Steps = tuple[str, ...]
type Write = tuple[str, Item | None]

INNER, AMOUNT = "pro.duct", "amo\\unt"
"""The fields of a line; both names have to be escaped in a path."""


class UncountableError(Exception):
    """The item is in no row of this aggregate."""


@lru_cache(maxsize=200)
def pipeline_of(steps: Steps) -> Pipeline:
    """Return aggregates of the elements under a path, and of the fields of a map there."""
    things = Collection("things", schema={"type": "object"})
    each, inner, amount = source_of(steps), source_of((*steps, INNER)), source_of((*steps, AMOUNT))
    groups = [field(inner, name="g")]
    counts = {"n": count(), "items": count_items()}
    shown = largest(amount, 2, show=[inner])
    aggregates = [
        Aggregate("lines", of=things, each=each, by=groups, measures=counts | {"sum": total(amount)}),
        Aggregate("kinds", of=things, each=each, by=groups, measures={"kinds": distinct(amount)}),
        Aggregate("members", of=things, each=each, by=[field(each, name="g")], measures=counts),
        Aggregate("entries", of=things, each=each, by=[field(source_of((*steps, "key")), name="g")], measures=counts),
        Aggregate("all", of=things, each=each, by=[], measures=counts),
        Aggregate("fields", of=things, by=groups, measures={"n": count(), "sum": total(amount)}),
        Aggregate("ranked", of=things, each=each, by=groups, measures={"most": shown}),
    ]
    return Pipeline([things], aggregates)


steps = st.lists(
    st.one_of(
        st.sampled_from(["lines", "a.b", "a\\b", "a.b\\.c", "#x", "~0", "a/b", "key", "value", "€", "'\"", " ", "0"]),
        texts.filter(lambda text: text != "" and text not in ("pk", "expires_at") and not text.startswith("aws:rep:")),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
products = st.sampled_from(["pear", "", "b#1", 1, "1", True, "true", Decimal("2.50"), Decimal("2.5"), None])
amounts = st.sampled_from([0, 3, -1, Decimal("0.1"), 10**37, Decimal("1E-20"), None])
line = st.one_of(
    st.fixed_dictionaries({INNER: products, AMOUNT: amounts}),
    st.fixed_dictionaries({INNER: products}, optional={AMOUNT: values}),
)
odd = st.one_of(values, st.fixed_dictionaries({}, optional={INNER: values, AMOUNT: values}))
plain_holders = st.one_of(
    st.lists(line, min_size=1, max_size=4),
    st.lists(line, min_size=1, max_size=2).map(lambda some: some * 2),
    st.lists(products, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["pear", "", "a.b"]), line, min_size=1, max_size=3),
    line,
)
odd_holders = st.one_of(
    st.just([]),
    st.lists(st.one_of(line, odd), max_size=3),
    st.lists(st.lists(line, max_size=2), max_size=2),
    st.sets(st.sampled_from(["pear", "fig", "#"]), min_size=1),
    st.sets(st.sampled_from([1, Decimal("2.5"), -3]), min_size=1),
    st.dictionaries(st.sampled_from(["pear", "", "a.b"]), values, max_size=3),
    values,
)
"""What a path leads to: lists, maps and sets, empty and with duplicates, nested lists, null and values of any type."""


chances = st.integers(0, 3).map(bool)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Steps, list[Write]]:
    """Return a path, and writes of items, most of which have something there."""
    path = draw(steps)

    def holder(depth: int) -> Item:
        others = draw(st.dictionaries(st.sampled_from(["other", "x.y"]), values, max_size=1))
        if depth == len(path) - 1:
            return others | {path[depth]: draw(plain_holders if draw(chances) else odd_holders)}
        return others | {path[depth]: holder(depth + 1) if draw(chances) else draw(values)}

    def write() -> Write:
        return draw(st.sampled_from("123")), holder(0) if draw(chances) else draw(st.sampled_from([None, {}]))

    return path, [write() for _ in range(draw(st.integers(1, 5)))]


def at(value: Any, path: Steps) -> Any:
    """Return what a path leads to; None if it leads nowhere."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def elements_of(item: Item, path: Steps) -> list[Any]:
    """Return the elements under a path."""
    holder = at(item, path)
    if holder is None:
        return []
    if isinstance(holder, dict):
        return [{"key": key, "value": value} for key, value in holder.items()]
    if isinstance(holder, list | set):
        return list(holder)
    raise UncountableError


def group_of(value: Any) -> str:
    """Return a group's value as its row has it in common with the values that print alike."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        return str(canonical_number(Decimal(value).normalize(EXACT)))
    if not isinstance(value, str):
        raise UncountableError
    return value


def amount_of(value: Any) -> int | Decimal:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise UncountableError
    return value


def kind_of(value: Any) -> Any:
    if not isinstance(value, str | int | Decimal):
        raise UncountableError
    return type(value) is bool, isinstance(value, str), value


def grouped(found: list[Any], path: Steps) -> dict[str, list[Any]]:
    """Return elements by group; those without a group are in no row."""
    by_group: defaultdict[str, list[Any]] = defaultdict(list)
    for element in found:
        if (value := at(element, path)) is not None:
            by_group[group_of(value)].append(element)
    return by_group


def shares(name: str, item: Item, path: Steps) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what an item adds to each row of an aggregate: numbers to add up, and values to unite."""
    found = [at(item, path)] if name == "fields" else elements_of(item, path)
    by = {"members": (), "entries": ("key",)}.get(name, (INNER,))
    of_rows = {"": found} if name == "all" and found else {} if name == "all" else grouped(found, by)
    for group, some in of_rows.items():
        share: dict[str, Any] = {"n": len(some), "items": 1}
        if name in ("lines", "fields"):
            share["sum"] = sum((amount_of(at(element, (AMOUNT,))) for element in some), start=0)
        if name == "kinds":
            share = {"kinds": {kind_of(value) for one in some if (value := at(one, (AMOUNT,))) is not None}}
        if name == "fields":
            del share["items"]
        yield group, share


def recomputed(items: Mapping[str, Item], path: Steps) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the rows of all aggregates but the ranked one, by the text of their group."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in ("lines", "kinds", "members", "entries", "all", "fields"):
        table: defaultdict[str, Counter[str]] = defaultdict(Counter)
        kinds: defaultdict[str, set[Any]] = defaultdict(set)
        for item in items.values():
            try:
                of_item = list(shares(name, item, path))
            except UncountableError:
                continue
            for group, share in of_item:
                kinds[group] |= share.pop("kinds", set())
                for measure, number in share.items():
                    table[group][measure] += number
        found[name] = (
            {group: {"kinds": len(some)} for group, some in kinds.items()}
            if name == "kinds"
            else {group: dict(row) for group, row in table.items()}
        )
    return found


def final(written: list[Write]) -> dict[str, Item]:
    return {name: item for name, item in dict(written).items() if item is not None}


LINES: Steps = ("a.b", "lines")


@given(histories())
@example((LINES, [("1", {"a.b": {"lines": [{INNER: 1, AMOUNT: 3}] * 2 + [{INNER: "1"}, [], None]}})]))
@example((LINES, [("1", {"a.b": [{"lines": [{INNER: 1}]}]}), ("2", {"a": {"b": {"lines": [{INNER: 1}]}}})]))
@example((("lines",), [("1", {"lines": {INNER: "pear", AMOUNT: 2}}), ("1", {"lines": "text"}), ("2", {"lines": {1}})]))
def test_the_rows_equal_a_plain_recompute(given_history: tuple[Steps, list[Write]]) -> None:
    path, written = given_history
    found = rows(history("things", written), pipeline_of(path))
    with localcontext(EXACT):
        expected = recomputed(final(written), path)
    for name, table in expected.items():
        by_group = {
            "" if name == "all" else group_of(row["g"]): {key: value for key, value in row.items() if key != "g"}
            for row in found[name]
        }
        assert by_group == table, name


@given(histories(), st.integers(0, 8))
@example(
    (("lines",), [("1", {}), ("1", {"lines": [{INNER: "pear", AMOUNT: one} for one in (Decimal("0.1"), 10**37)]})]), 1
)
def test_what_was_added_can_be_taken_back_and_batches_can_be_cut_anywhere(
    given_history: tuple[Steps, list[Write]], cut: int
) -> None:
    path, written = given_history
    pipeline = pipeline_of(path)
    emptied: list[Write] = [*written, *((name, None) for name in final(written))]
    records = history("things", emptied)
    assert stored_rows(records, pipeline) == []
    assert merged(fold_records(records, pipeline)) == {}
    parts = fold_records(records[:cut], pipeline), fold_records(records[cut:], pipeline)
    assert merged(*parts) == {}
    short = history("things", written)
    halves = fold_records(short[:cut], pipeline), fold_records(short[cut:], pipeline)
    assert merged(*halves) == merged(fold_records(short, pipeline))
