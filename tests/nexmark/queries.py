"""The benchmark's queries, each as a pipeline: https://github.com/nexmark/nexmark.

A query of single bids is a transform, a route or both; its result is what a subscriber holds after the last event. A
query that aggregates is an aggregate. The SQL is in ``queries.sql``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    day,
    distinct,
    field,
    hop,
    largest,
    maximum,
    mean,
    minimum,
    seconds,
    top,
    total,
)

type Item = dict[str, Any]
type Predicate = Callable[[Item], bool]

BID = {
    "type": "object",
    "required": ["auction", "bidder", "price", "channel", "url", "dateTime"],
    "properties": {
        "auction": {"type": "integer"},
        "bidder": {"type": "integer"},
        "price": {"type": "integer", "minimum": 0},
        "channel": {"type": "string"},
        "url": {"type": "string"},
        "dateTime": {"type": "string"},
        "received": {"type": "string"},
        "extra": {"type": "string"},
    },
    "additionalProperties": False,
}

_EURO = Decimal("0.908")
_CHANNEL_IDS = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}
_CHANNEL_ID = re.compile(r"(?:&|^)channel_id=([^&]*)")
SIDE_INPUT = {key: f"value {key}" for key in range(0, 10_000, 3)}
_NIGHT, _MORNING, _EVENING = 6, 8, 18


@dataclass(frozen=True, slots=True)
class Query:
    """One query: its pipeline, and how a row or item is read as a row of the SQL's answer."""

    name: str
    pipeline: Pipeline
    read: Callable[[Item], Iterable[tuple[Any, ...]]]

    @property
    def aggregate(self) -> Aggregate | None:
        """The aggregate with the answer; None if subscribers get it."""
        return self.pipeline.aggregates[0] if self.pipeline.aggregates else None

    @property
    def route(self) -> Route:
        """The route with the answer."""
        return self.pipeline.routes[0]


def columns(*names: str) -> Callable[[Item], list[tuple[Any, ...]]]:
    """Read these fields of an item as one row."""
    return lambda item: [tuple(item.get(name) for name in names)]


def everything(_bid: Item) -> bool:
    """Send every bid."""
    return True


def stream(name: str, read: tuple[str, ...], transform: Any = None, when: Predicate = everything) -> Query:
    """Return a query that subscribers of a route get the answer of."""
    bids = Collection("bids", schema=BID, transform=transform)
    return Query(name, Pipeline([bids], routes=[Route("answer", of=bids, when=when)]), columns(*read))


def rows(
    name: str,
    by: list[Any],
    measures: Mapping[str, Any],
    read: Callable[[Item], Iterable[tuple[Any, ...]]],
    transform: Any = None,
) -> Query:
    """Return a query that an aggregate answers."""
    bids = Collection("bids", schema=BID, transform=transform)
    answer = Aggregate("answer", of=bids, by=by, measures=measures, listed=False)
    return Query(name, Pipeline([bids], [answer]), read)


# --- transforms and predicates ------------------------------------------------------------------------------------


def in_euro(bid: Item) -> Item:
    """Convert the price, as q1 does."""
    return bid | {"euro": bid["price"] * _EURO}


def with_minute(bid: Item) -> Item:
    """Add the day and minute that q10 files a bid under, and the price ranges of q15 and q16."""
    return bid | {"date": bid["dateTime"][:10], "minute": bid["dateTime"][11:16]}


def with_side_input(bid: Item) -> Item:
    """Look the auction up, as q13 does."""
    value = SIDE_INPUT.get(bid["auction"] % 10_000)
    return bid if value is None else bid | {"value": value}


def with_calculation(bid: Item) -> Item:
    """Compute what q14 selects."""
    hour = int(bid["dateTime"][11:13])
    times = "nightTime" if hour <= _NIGHT or hour >= 20 else "dayTime" if _MORNING <= hour <= _EVENING else "otherTime"
    return bid | {"euro": bid["price"] * _EURO, "bidTimeType": times, "c_counts": bid["extra"].count("c")}


def with_channel_id(bid: Item) -> Item:
    """Find the channel's id, as q21 does: a known channel's own, else the one in the URL."""
    known = _CHANNEL_IDS.get(bid["channel"].lower())
    found = _CHANNEL_ID.search(bid["url"])
    channel_id = known or (found[1] if found else None)
    return bid if channel_id is None else bid | {"channel_id": channel_id}


def with_directories(bid: Item) -> Item:
    """Split the URL, as q22 does."""
    parts = bid["url"].split("/")
    return bid | {"dir1": parts[3], "dir2": parts[4], "dir3": parts[5]}


def is_low(bid: Item) -> bool:
    """Tell whether a bid is in the first range of prices."""
    return bool(bid["price"] < 10_000)


def is_middle(bid: Item) -> bool:
    """Tell whether a bid is in the second range of prices."""
    return 10_000 <= bid["price"] < 1_000_000  # type: ignore[no-any-return]


def is_high(bid: Item) -> bool:
    """Tell whether a bid is in the third range of prices."""
    return bool(bid["price"] >= 1_000_000)


RANKS: Mapping[str, Predicate] = {"rank1": is_low, "rank2": is_middle, "rank3": is_high}
COUNTS = {"total": count(), **{f"{rank}_bids": count(where=where) for rank, where in RANKS.items()}}
DISTINCT = {
    f"{rank}_{field_name}s": distinct(field_name, where=where)
    for field_name in ("bidder", "auction")
    for rank, where in {"total": None, **RANKS}.items()
}


def instant(label: str) -> datetime:
    """Return the start of a window as the SQL has it: in UTC, without an offset."""
    return datetime.fromisoformat(label).replace(tzinfo=None)


def most_frequent(row: Item) -> Iterable[tuple[Any, ...]]:
    """Read the auctions with the most bids of a window."""
    most = max(entry["count"] for entry in row["hot"])
    assert sum(entry["count"] == most for entry in row["hot"]) < len(row["hot"]) or len(row["hot"]) < 100
    return [(instant(row["window"]), entry["value"], most) for entry in row["hot"] if entry["count"] == most]


def highest(row: Item) -> Iterable[tuple[Any, ...]]:
    """Read the highest bids of a window, ties included."""
    first = row["bids"][0]["value"]
    found = [entry for entry in row["bids"] if entry["value"] == first]
    assert len(found) < len(row["bids"]) or len(row["bids"]) < 20
    return [(instant(row["window"]), entry["auction"], first, entry["bidder"]) for entry in found]


QUERIES = [
    stream(
        "q0",
        ("auction", "bidder", "price", "dateTime", "extra"),
    ),
    stream(
        "q1",
        ("auction", "bidder", "euro", "dateTime", "extra"),
        in_euro,
    ),
    stream(
        "q2",
        ("auction", "price"),
        when=lambda bid: bid["auction"] % 123 == 0,
    ),
    rows(
        "q5",
        [hop("dateTime", size=seconds(10), every=seconds(2), name="window")],
        {"hot": top("auction", 100)},
        most_frequent,
    ),
    rows(
        "q7",
        [seconds(10, "dateTime", name="window")],
        {"bids": largest("price", 20, show=["auction", "bidder"])},
        highest,
    ),
    stream(
        "q10",
        ("auction", "bidder", "price", "dateTime", "extra", "date", "minute"),
        with_minute,
    ),
    rows(
        "q12",
        [field("bidder"), seconds(10, "received", name="window")],
        {"bids": count()},
        lambda row: [(row["bidder"], row["bids"], instant(row["window"]))],
    ),
    stream(
        "q13",
        ("auction", "bidder", "price", "dateTime", "value"),
        with_side_input,
        lambda bid: "value" in bid,
    ),
    stream(
        "q14",
        ("auction", "bidder", "euro", "bidTimeType", "dateTime", "extra", "c_counts"),
        with_calculation,
        lambda bid: 1_000_000 < bid["euro"] < 50_000_000,
    ),
    rows(
        "q15",
        [day("dateTime")],
        COUNTS | DISTINCT,
        columns("day", *COUNTS, *DISTINCT),
    ),
    rows(
        "q16",
        [field("channel"), day("dateTime")],
        {"latest": maximum("minute")} | COUNTS | DISTINCT,
        columns("channel", "day", "latest", *COUNTS, *DISTINCT),
        with_minute,
    ),
    rows(
        "q17",
        [field("auction"), day("dateTime")],
        COUNTS | {"least": minimum("price"), "most": maximum("price"), "average": mean("price"), "sum": total("price")},
        columns("auction", "day", *COUNTS, "least", "most", "sum"),
    ),
    rows(
        "q18",
        [field("bidder"), field("auction")],
        {"last": largest("dateTime", 1, show=["price", "channel", "url"])},
        lambda row: [
            (row["bidder"], row["auction"], *(row["last"][0][name] for name in ("price", "channel", "url", "value")))
        ],
    ),
    rows(
        "q19",
        [field("auction")],
        {"best": largest("price", 10, show=["bidder"])},
        lambda row: [
            (row["auction"], entry["value"], entry["bidder"], rank) for rank, entry in enumerate(row["best"], 1)
        ],
    ),
    stream(
        "q21",
        ("auction", "bidder", "price", "channel", "channel_id"),
        with_channel_id,
        lambda bid: "channel_id" in bid,
    ),
    stream(
        "q22",
        ("auction", "bidder", "price", "channel", "dir1", "dir2", "dir3"),
        with_directories,
    ),
]
