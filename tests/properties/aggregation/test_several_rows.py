"""Items that are in several rows, by elements, windows and times of their own: rows and lists of groups, recounted."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, count_items, field, hop, hour, hours
from tailrace.aggregation.fold import fold_records
from tailrace.encoding.keys import group_list_key, row_key
from tailrace.inputs.effects import derive_effect
from tailrace.inputs.item_changes import decoded_changes
from tailrace.testing import fold, history
from tests.properties.aggregation.things import merged

type Item = dict[str, Any]
type Rows = dict[tuple[str, str], tuple[int, ...]]

orders = Collection("orders", schema={"type": "object"})
COUNT, ELEMENTS = {"n": count()}, {"lines": count(), "orders": count_items()}
PRODUCT, SIZE = field("lines.product"), field("lines.size")
THREE_HOURS = hop("placed", size=hours(3), every=hours(1))
LARGE = {"n": count(where=lambda order: 6 // order["share"] > 2)}
pipeline = Pipeline(
    [orders],
    [
        Aggregate("placed", of=orders, by=[hour("placed"), field("shop")], measures=COUNT),
        Aggregate("shipped", of=orders, by=[field("shop"), hour("shipped")], measures=COUNT),
        Aggregate("windows", of=orders, by=[field("shop"), THREE_HOURS], measures=COUNT),
        Aggregate("lines", of=orders, each="lines", by=[PRODUCT, SIZE], measures=ELEMENTS),
        Aggregate("hot", of=orders, each="lines", by=[PRODUCT, THREE_HOURS], measures=ELEMENTS),
        # fails where the share is 0, so that the others are evaluated one by one
        Aggregate("shares", of=orders, by=[field("shop")], measures=LARGE),
    ],
)

times = st.sampled_from(["2024-06-01T01:30Z", "2024-06-01T02:00Z", "2024-06-01T02:59:59.9Z", "2024-06-01T23:00Z"])
lines = st.fixed_dictionaries(
    {"product": st.sampled_from(["pear", "fig", None]), "size": st.sampled_from([1, 2, None])}
)
versions = st.fixed_dictionaries(
    {
        "shop": st.sampled_from("ab"),
        "placed": times,
        "shipped": times,
        "share": st.integers(0, 3),
        "lines": st.lists(lines, max_size=3),
    }
)


def windows(time: str, number: int) -> list[str]:
    """Return the labels of the windows of so many hours that contain a time, the newest first."""
    begun = datetime.fromisoformat(time).replace(minute=0, second=0, microsecond=0)
    return [(begun - timedelta(hours=hour)).isoformat(timespec="minutes") for hour in range(number)]


def rows_of(item: Item) -> Rows:
    """Return what an item adds to each row and list of groups."""
    shop, (hour,), placed = item["shop"], windows(item["placed"], 1), windows(item["placed"], 3)
    found: Rows = {
        row_key("placed", 1, [hour, shop]): (1, 1),
        row_key("shipped", 1, [shop, *windows(item["shipped"], 1)]): (1, 1),
    }
    found |= {row_key("windows", 1, [shop, label]): (1, 1) for label in placed}
    named = [line for line in item["lines"] if line["product"]]
    sized = Counter((line["product"], str(line["size"])) for line in named if line["size"])
    found |= {row_key("lines", 1, texts): (1, times, 1) for texts, times in sized.items()}
    products = Counter(line["product"] for line in named)
    found |= {row_key("hot", 1, [one, label]): (1, times, 1) for one, times in products.items() for label in placed}
    if item["share"]:
        found[row_key("shares", 1, [shop])] = 1, int(6 // item["share"] > 2)
    listed = {"shipped": {shop}, "windows": {shop}, "lines": {one for one, _ in sized}, "hot": set(products)}
    listed["shares"] = {shop} if item["share"] else set()
    return found | {(group_list_key(name, 1), one): (1,) for name, ones in listed.items() for one in ones}


def recounted(items: list[Item]) -> Rows:
    found: defaultdict[tuple[str, str], tuple[int, ...]] = defaultdict(tuple)
    for item in items:
        for key, numbers in rows_of(item).items():
            found[key] = tuple(map(sum, zip(found[key] or (0,) * len(numbers), numbers, strict=True)))
    return {key: numbers for key, numbers in found.items() if any(numbers)}


PEAR, FIG = {"product": "pear", "size": 1}, {"product": "fig", "size": 2}
ORDER: Item = {"shop": "a", "placed": "2024-06-01T01:30Z", "shipped": "2024-06-01T23:00Z", "share": 1, "lines": [PEAR]}


@given(
    st.lists(st.tuples(st.sampled_from("123"), st.one_of(versions, versions, st.none())), max_size=8), st.integers(0, 8)
)
@example([("1", ORDER | {"share": 0}), ("1", ORDER | {"placed": "2024-06-01T02:00Z", "share": 0})], 1)
@example([("1", ORDER | {"lines": [PEAR, PEAR | {"size": 2}]}), ("1", ORDER | {"lines": [PEAR, FIG]})], 2)
@example([("1", ORDER), ("2", ORDER | {"shipped": "2024-06-01T02:00Z"})], 0)
def test_rows_and_lists_of_groups_equal_a_recount(written: list[tuple[str, Item | None]], cut: int) -> None:
    records = history("orders", written)
    expected = recounted([item for item in dict(written).values() if item is not None])
    assert merged(fold_records(records[:cut], pipeline), fold_records(records[cut:], pipeline)) == expected
    effects = (derive_effect(change, pipeline) for change in decoded_changes(records, pipeline))
    assert merged(fold(effects, pipeline)) == expected
