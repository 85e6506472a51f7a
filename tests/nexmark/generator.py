"""A seeded generator of Nexmark's persons, auctions and bids, with changes and deletions mixed in.

The proportions, hot keys and fields follow the benchmark (https://github.com/nexmark/nexmark, Apache Beam's Nexmark
suite): of 50 events, one is a person, three are auctions and 46 are bids; every other bid goes to the hot auction,
three of four come from the hot bidder. Events are 100 µs apart. In addition, some events change or delete an earlier
bid.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

type Item = dict[str, Any]
type Write = tuple[str, str, Item | None]
"""The collection, the id and the item; None deletes it."""

START = datetime(2015, 7, 15, tzinfo=UTC)
FIRST_ID = 1000
CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
CITIES = (
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
)
STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")

_EVENTS_PER_ROUND = 50
_PERSONS_PER_ROUND, _AUCTIONS_PER_ROUND = 1, 3
_HOT_AUCTION_RATIO, _HOT_BIDDER_RATIO = 2, 4
_SHARE_CHANGED, _SHARE_DELETED = 0.03, 0.01
_IN_FLIGHT = 100


@dataclass(slots=True)
class Generator:
    """Yields the writes of ``events`` events; equal seeds give equal writes.

    Attributes:
        gap: the time between two events. The benchmark's 100 µs put a million events within 100 seconds; a longer gap
            spreads them over hours and days.
    """

    seed: int
    events: int
    gap: timedelta = timedelta(microseconds=100)
    chance: random.Random = field(init=False)
    persons: int = 0
    auctions: int = 0
    bids: list[tuple[str, Item]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - not for secrets

    def writes(self) -> Iterator[Write]:
        """Yield the writes in order."""
        for number in range(self.events):
            at = START + number * self.gap
            place = number % _EVENTS_PER_ROUND
            if place < _PERSONS_PER_ROUND:
                yield self._person(at)
            elif place < _PERSONS_PER_ROUND + _AUCTIONS_PER_ROUND:
                yield self._auction(at)
            elif self.bids and self.chance.random() < _SHARE_CHANGED + _SHARE_DELETED:
                yield self._correction()
            else:
                yield self._bid(number, at)

    def _person(self, at: datetime) -> Write:
        self.persons += 1
        identity = FIRST_ID + self.persons
        item = {
            "name": f"person {identity}",
            "city": self.chance.choice(CITIES),
            "state": self.chance.choice(STATES),
            "dateTime": _text(at),
        }
        return "persons", str(identity), item

    def _auction(self, at: datetime) -> Write:
        self.auctions += 1
        identity = FIRST_ID + self.auctions
        price = self._price()
        item = {
            "itemName": f"item {identity}",
            "initialBid": price,
            "reserve": price + self._price(),
            "dateTime": _text(at),
            "expires": _text(at + timedelta(seconds=self.chance.randint(1, 100))),
            "seller": FIRST_ID + self.chance.randint(max(1, self.persons - _IN_FLIGHT), self.persons),
            "category": 10 + self.chance.randrange(5),
        }
        return "auctions", str(identity), item

    def _bid(self, number: int, at: datetime) -> Write:
        channel = self._channel()
        item = {
            "auction": self._hot_or_recent(self.auctions, _HOT_AUCTION_RATIO),
            "bidder": self._hot_or_recent(self.persons, _HOT_BIDDER_RATIO),
            "price": self._price(),
            "channel": channel,
            "url": self._url(channel),
            "dateTime": _text(at),
            "received": _text(at + timedelta(milliseconds=self.chance.randrange(12_000))),
            "extra": "".join(self.chance.choices("abcdef", k=self.chance.randrange(12))),
        }
        identity = f"{number:09d}"
        self.bids.append((identity, item))
        return "bids", identity, item

    def _correction(self) -> Write:
        """Change the price, auction or time of an earlier bid, or delete one."""
        place = self.chance.randrange(len(self.bids))
        identity, item = self.bids[place]
        if self.chance.random() < _SHARE_DELETED / (_SHARE_CHANGED + _SHARE_DELETED):
            self.bids[place] = self.bids[-1]
            self.bids.pop()
            return "bids", identity, None
        changes: list[Item] = [
            {"price": self._price()},
            {"auction": FIRST_ID + self.chance.randint(1, self.auctions)},
            {"dateTime": self.bids[self.chance.randrange(len(self.bids))][1]["dateTime"]},
        ]
        item = item | self.chance.choice(changes)
        self.bids[place] = identity, item
        return "bids", identity, item

    def _hot_or_recent(self, newest: int, ratio: int) -> int:
        if self.chance.randrange(ratio):
            return FIRST_ID + max(1, newest // _IN_FLIGHT * _IN_FLIGHT)
        return FIRST_ID + self.chance.randint(max(1, newest - _IN_FLIGHT), newest)

    def _price(self) -> int:
        return round(10 ** (self.chance.random() * 6) * 100)

    def _channel(self) -> str:
        return self.chance.choice(CHANNELS) if self.chance.randrange(2) else f"channel-{self.chance.randrange(10_000)}"

    def _url(self, channel: str) -> str:
        path = "/".join("".join(self.chance.choices("abcdefgh", k=5)) for _ in range(3))
        query = "item.htm?query=1" + ("" if channel in CHANNELS else f"&channel_id={self.chance.randrange(10**6)}")
        return f"https://www.nexmark.com/{path}/{query}"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
