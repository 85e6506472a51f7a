"""Upstream, played: the timeline goes into the stack by every entrance, in order, as other systems would write it.

The timetable of a day arrives as a file; departures and landings are written straight into the table, those of a few
flights through the HTTP API; cancellations are messages. Two changes of one flight never overtake each other: a flight
belongs to one writer, a writer sends one thing after the other, and a day's changes wait until its timetable has been
loaded.
"""

import gzip
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from queue import Empty, Full, Queue
from typing import Any

from local.entrances import Entrances, FeedError
from local.timeline import Broken, Change, Entrance, Event, Item, Timetable

COLLECTION = "flights"
WRITERS: dict[Entrance, int] = {"table": 4, "api": 2, "queue": 1}
"""How many threads write at each entrance. The API answers one request at a time, and holds nobody else up."""
_BATCH_ITEMS, _BATCH_MESSAGES = 25, 10  # the most that BatchWriteItem and SendMessageBatch take
_ONE_IN = 300
"""One flight in so many is told through the HTTP API."""
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


type Inbox = Queue[_Task | None]


@dataclass(slots=True)
class _Writer:
    """A thread and what it still has to write; None ends it."""

    inbox: Inbox
    done: Future[None] = field(default_factory=Future)

    def hand_over(self, task: _Task | None) -> None:
        """Wait while the inbox is full. If the thread has stopped, its error is raised."""
        while not self.done.done():
            try:
                self.inbox.put(task, timeout=0.2)
            except Full:
                continue
            return
        if task is not None:
            self.done.result()
            raise FeedError("a writer stopped early")


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
        self._write = {"table": self._write_table, "queue": self._send, "api": self._call}
        self._writers: dict[Entrance, list[_Writer]] = {}

    def run(self, events: Iterable[Event]) -> Told:
        """Feed everything and return when all of it was accepted.

        Raises:
            FeedError: the stack took something too late, not at all, or otherwise than an AWS service would.
        """
        self._told.began = time.monotonic()
        with ThreadPoolExecutor(sum(WRITERS.values()), "upstream") as threads:
            for entrance, number in WRITERS.items():
                writers = [_Writer(Queue(_WAITING)) for _ in range(number)]
                for writer in writers:
                    writer.done = threads.submit(self._write[entrance], writer.inbox)
                self._writers[entrance] = writers
            try:
                for event in events:
                    self._tell(event)
            finally:
                every = [writer for writers in self._writers.values() for writer in writers]
                for writer in every:
                    writer.hand_over(None)
        for writer in every:
            writer.done.result()
        for timetable in self._told.announced:
            self._await_receipt(timetable)
        return self._told

    def _tell(self, event: Event) -> None:
        if isinstance(event, Timetable):
            self._publish(event)
            return
        if event.day not in self._loaded:
            self._await_receipt(event.day.isoformat())
            self._loaded.add(event.day)
        task = _task(event)
        # shared out by flight, so that one writer has all that is told about it
        writers = self._writers[task.entrance]
        writers[zlib.crc32(task.id.encode()) % len(writers)].hand_over(task)

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

    def _write_table(self, inbox: Inbox) -> None:
        for batch in _batches(inbox, _BATCH_ITEMS):
            self._expect_quarantine(batch)
            self._to.write_items(COLLECTION, {task.id: task.item for task in batch})
            self._count("table", sum(not task.broken for task in batch))

    def _send(self, inbox: Inbox) -> None:
        for batch in _batches(inbox, _BATCH_MESSAGES):
            self._expect_quarantine(batch)
            self._to.send_messages({task.id: _message(task) for task in batch})
            self._count("queue", sum(not task.broken for task in batch))

    def _call(self, inbox: Inbox) -> None:
        for (task,) in _batches(inbox, 1):
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

    def _expect_quarantine(self, batch: Iterable[_Task]) -> None:
        with self._lock:
            self._told.broken.update((task.entrance, task.id) for task in batch if task.broken)

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
    by_api = zlib.crc32(f"api {event.id}".encode()) % _ONE_IN == 0
    return _Task("api" if by_api else "table", event.id, event.item, event.patch if by_api else None)


def _message(task: _Task) -> dict[str, Any]:
    what = {"op": "put", "item": task.item} if task.patch is None else {"op": "patch", "patch": task.patch}
    return {"collection": COLLECTION, "id": task.id, **what}


def _batches(inbox: Inbox, most: int) -> Iterator[list[_Task]]:
    """Yield what comes in, in order, until None does: at most so many at once, and never two things about one flight.

    A batch waits no longer when nothing has come for a while.
    """
    batch: dict[str, _Task] = {}
    while True:
        try:
            task = inbox.get(timeout=_LINGER_S if batch else None)
        except Empty:
            task = None
            ended = False
        else:
            ended = task is None
        if batch and (task is None or task.id in batch):
            yield list(batch.values())
            batch.clear()
        if ended:
            return
        if task is not None:
            batch[task.id] = task
            if len(batch) == most:
                yield list(batch.values())
                batch.clear()
