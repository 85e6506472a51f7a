"""Upstream, played: the timeline goes into the stack by every entrance, in order, as other systems would write it.

The timetable of a day arrives as a file; departures and landings are written straight into the table, some through
the HTTP API; cancellations are messages. Two changes of one flight never overtake each other: a flight belongs to one
writer, a writer sends one thing after the other, and a day's changes wait until its timetable has been loaded.
"""

import gzip
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from queue import Empty, Full, Queue
from typing import Any

from local.entrances import Entrances, FeedError
from local.timeline import Broken, Change, Entrance, Event, Item, Timetable

COLLECTION = "flights"
TABLE_WRITERS = 4
_BATCH_ITEMS, _BATCH_MESSAGES = 25, 10  # the most that BatchWriteItem and SendMessageBatch take
_ONE_IN = 97
"""One departure or landing in so many goes through the HTTP API."""
_WAITING = 2_000
_LINGER_S, _RECEIPT_POLL_S, _RECEIPT_LIMIT_S = 0.05, 0.05, 120.0

type Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Task:
    entrance: Entrance
    id: str
    item: Item
    patch: Item | None  # None: the whole item is put; also that of a broken item
    broken: bool = False


@dataclass(slots=True)
class Told:
    """What was fed: by entrance, what should be in quarantine, what the API refused, and when it began.

    ``began`` is the monotonic time of the first write. ``receipts`` holds ``(accepted, rejected)`` for each file, as
    the stack reported them; ``announced`` what they must be.
    """

    began: float
    by_entrance: Counter[Entrance] = field(default_factory=Counter)
    broken: set[tuple[str, str]] = field(default_factory=set)
    api_broken: int = 0
    api_refused: int = 0
    announced: dict[str, tuple[int, int]] = field(default_factory=dict)
    receipts: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """How many changes of valid items were fed."""
        return sum(self.by_entrance.values())


class Feed:
    """Feeds a timeline into one stack. Use once."""

    def __init__(self, entrances: Entrances, progress: Progress) -> None:
        self._to = entrances
        self._progress = progress
        self._lock = threading.Lock()
        self._told = Told(time.monotonic())
        self._loaded: set[date] = set()

    def run(self, events: Iterable[Event]) -> Told:
        """Feed everything and return when all of it was accepted.

        Raises:
            FeedError: the stack took something too late, not at all, or otherwise than an AWS service would.
        """
        inboxes: list[Queue[_Task | None]] = [Queue(_WAITING) for _ in range(TABLE_WRITERS + 1)]
        with ThreadPoolExecutor(len(inboxes), "upstream") as threads:
            work = [threads.submit(self._write, inbox) for inbox in inboxes[:-1]]
            work.append(threads.submit(self._send, inboxes[-1]))
            try:
                self._told.began = time.monotonic()
                for event in events:
                    self._tell(event, inboxes, work)
            finally:
                for inbox, done in zip(inboxes, work, strict=True):
                    _hand_over(None, inbox, done)
            for done in work:
                done.result()
        for timetable in self._told.announced:
            self._await_receipt(timetable)
        return self._told

    def _tell(self, event: Event, inboxes: list[Queue[_Task | None]], work: list[Future[None]]) -> None:
        if isinstance(event, Timetable):
            self._publish(event)
            return
        if event.day not in self._loaded:
            self._await_receipt(event.day.isoformat())
            self._loaded.add(event.day)
        task = _task(event)
        # the queue has a thread of its own; all others are shared out by flight
        place = TABLE_WRITERS if task.entrance == "queue" else zlib.crc32(task.id.encode()) % TABLE_WRITERS
        _hand_over(task, inboxes[place], work[place])

    def _publish(self, timetable: Timetable) -> None:
        lines = (json.dumps({"id": one} | item) for one, item in timetable.items)
        # no time in the header: the same flights make the same file
        self._to.drop(_file_name(timetable.day), gzip.compress("\n".join(lines).encode(), mtime=0))
        good = len(timetable.items) - timetable.broken
        self._told.announced[timetable.day.isoformat()] = (good, timetable.broken)
        with self._lock:
            self._told.broken.update(("file", one) for one, _ in timetable.items[good:])
        self._count("file", good)

    def _await_receipt(self, day: str) -> None:
        limit = time.monotonic() + _RECEIPT_LIMIT_S
        while day not in self._told.receipts:
            receipt = self._to.receipt(_file_name(date.fromisoformat(day)))
            if receipt is not None:
                self._told.receipts[day] = (receipt["accepted"], receipt["rejected"])
            elif time.monotonic() > limit:
                raise FeedError(f"the timetable of {day} was not loaded within {_RECEIPT_LIMIT_S:.0f} s")
            else:
                time.sleep(_RECEIPT_POLL_S)

    def _write(self, inbox: "Queue[_Task | None]") -> None:
        batch: dict[str, Item] = {}
        for task in _tasks(inbox, batch):
            # what is told about a flight is written before the next thing about it
            if batch and (task is None or task.id in batch or len(batch) == _BATCH_ITEMS):
                self._to.write_items(COLLECTION, batch)
                self._count("table", sum(("table", one) not in self._told.broken for one in batch))
                batch.clear()
            if task is None:
                continue
            if task.entrance == "api":
                self._call(task)
                continue
            if task.broken:
                self._expect_quarantine(task)
            batch[task.id] = task.item

    def _call(self, task: _Task) -> None:
        status = self._to.request(COLLECTION, task.id, task.item, task.patch)
        refused = 400 <= status < 500  # noqa: PLR2004 - HTTP's client errors
        if task.broken:
            with self._lock:
                self._told.api_broken += 1
                self._told.api_refused += refused
        elif refused:
            raise FeedError(f"the API refused flight {task.id} with status {status}")
        else:
            self._count("api", 1)

    def _send(self, inbox: "Queue[_Task | None]") -> None:
        batch: dict[str, Mapping[str, Any]] = {}
        for task in _tasks(inbox, batch):
            if batch and (task is None or task.id in batch or len(batch) == _BATCH_MESSAGES):
                self._to.send_messages(batch)
                self._count("queue", sum(("queue", one) not in self._told.broken for one in batch))
                batch.clear()
            if task is None:
                continue
            if task.broken:
                self._expect_quarantine(task)
            what = {"op": "put", "item": task.item} if task.patch is None else {"op": "patch", "patch": task.patch}
            batch[task.id] = {"collection": COLLECTION, "id": task.id, **what}

    def _expect_quarantine(self, task: _Task) -> None:
        with self._lock:
            self._told.broken.add((task.entrance, task.id))

    def _count(self, entrance: Entrance, number: int) -> None:
        with self._lock:
            self._told.by_entrance[entrance] += number
            self._progress(number)


def _file_name(day: date) -> str:
    return f"{COLLECTION}/{day.isoformat()}.jsonl.gz"


def _task(event: Change | Broken) -> _Task:
    if isinstance(event, Broken):
        return _Task(event.entrance, event.id, event.item, None, broken=True)
    if event.kind == "cancelled":
        return _Task("queue", event.id, event.item, event.patch)
    by_api = zlib.crc32(f"{event.kind} {event.id}".encode()) % _ONE_IN == 0
    return _Task("api" if by_api else "table", event.id, event.item, event.patch if by_api else None)


def _tasks(inbox: "Queue[_Task | None]", batch: Mapping[str, Any]) -> Iterable[_Task | None]:
    """Yield what comes in; None whenever the batch should wait no longer: nothing came for a while, or nothing will."""
    while True:
        try:
            task = inbox.get(timeout=_LINGER_S if batch else None)
        except Empty:
            yield None
            continue
        yield task
        if task is None:
            return


def _hand_over(task: _Task | None, inbox: "Queue[_Task | None]", reader: Future[None]) -> None:
    """Put a task into a writer's inbox; wait while it is full, unless its writer has stopped (its error is raised)."""
    while not reader.done():
        try:
            inbox.put(task, timeout=0.2)
        except Full:
            continue
        return
    if task is not None:
        reader.result()
        raise FeedError("a writer stopped early")
