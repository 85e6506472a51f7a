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
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

from local.demo.entrances import Entrances, FeedError
from local.demo.timeline import Broken, Change, Entrance, Event, Item, Timetable

if TYPE_CHECKING:
    from datetime import date

COLLECTION = "flights"
WRITERS: dict[Entrance, int] = {"file": 1, "table": 4, "api": 1, "queue": 1}
"""How many threads write at each entrance, so that a slow one holds no other up."""
_BATCH_ITEMS, _BATCH_MESSAGES = 25, 10  # the most that BatchWriteItem and SendMessageBatch take
_ONE_IN = 600
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


type Inbox = Queue[_Task | Timetable | None]


@dataclass(slots=True)
class _Writer:
    """A thread and what it still has to write; None ends it."""

    inbox: Inbox
    done: Future[None] = field(default_factory=Future)

    def hand_over(self, task: _Task | Timetable | None) -> None:
        """Wait while the inbox is full. If the thread has stopped, its error is raised."""
        while not self.done.done():
            try:
                self.inbox.put(task, timeout=0.2)
            except Full:
                continue
            return
        if task is not None:
            self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise the thread's error if it has ended before its time."""
        if self.done.done():
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
        self._loaded: dict[date, threading.Event] = {}
        self._write = {"file": self._publish, "table": self._write_table, "queue": self._send, "api": self._call}
        self._writers: dict[Entrance, list[_Writer]] = {}
        self._abandoned = threading.Event()

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
            except BaseException:
                self._abandoned.set()
                raise
            finally:
                every = [writer for writers in self._writers.values() for writer in writers]
                for writer in every:
                    writer.hand_over(None)
        for writer in every:
            writer.done.result()
        return self._told

    def _tell(self, event: Event) -> None:
        # shared out by flight (or day), so that one writer has all that is told about it
        if isinstance(event, Timetable):
            self._loaded[event.day] = threading.Event()
            self._writers["file"][0].hand_over(event)
            return
        publisher = self._writers["file"][0]
        while not self._loaded[event.day].wait(_RECEIPT_POLL_S):
            publisher.raise_if_stopped()
        task = _task(event)
        writers = self._writers[task.entrance]
        writers[zlib.crc32(task.id.encode()) % len(writers)].hand_over(task)

    def _publish(self, inbox: Inbox) -> None:
        while isinstance(timetable := inbox.get(), Timetable) and not self._abandoned.is_set():
            lines = (json.dumps({"id": one} | item) for one, item in timetable.items)
            name = f"{COLLECTION}/{timetable.day.isoformat()}.jsonl.gz"
            # no time in the header: the same flights make the same file
            self._to.drop(name, gzip.compress("\n".join(lines).encode(), mtime=0))
            good = len(timetable.items) - timetable.broken
            self._count("file", good)
            with self._lock:
                self._told.broken.update(("file", one) for one, _ in timetable.items[good:])
            self._told.announced[name] = (good, timetable.broken)
            self._told.receipts[name] = self._await_receipt(name)
            self._loaded[timetable.day].set()

    def _await_receipt(self, name: str) -> tuple[int, int]:
        limit = time.monotonic() + _RECEIPT_LIMIT_S
        while time.monotonic() < limit and not self._abandoned.is_set():
            receipt = self._to.receipt(name)
            if receipt is not None:
                return receipt["accepted"], receipt["rejected"]
            time.sleep(_RECEIPT_POLL_S)
        raise FeedError(f"the timetable {name} was not loaded within {_RECEIPT_LIMIT_S:.0f} s")

    def _write_table(self, inbox: Inbox) -> None:
        for batch in self._batches(inbox, _BATCH_ITEMS):
            self._expect_quarantine(batch)
            self._to.write_items(COLLECTION, {task.id: task.item for task in batch})
            self._count("table", sum(not task.broken for task in batch))

    def _send(self, inbox: Inbox) -> None:
        for batch in self._batches(inbox, _BATCH_MESSAGES):
            self._expect_quarantine(batch)
            self._to.send_messages({task.id: _message(task) for task in batch})
            self._count("queue", sum(not task.broken for task in batch))

    def _call(self, inbox: Inbox) -> None:
        for (task,) in self._batches(inbox, 1):
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

    def _batches(self, inbox: Inbox, most: int) -> Iterator[list[_Task]]:
        """Yield what comes in, in order, until None does: so many at once, and never two things about one flight.

        A batch waits no longer when nothing has come for a while.
        """
        batch: dict[str, _Task] = {}
        while not self._abandoned.is_set():
            try:
                task = inbox.get(timeout=_LINGER_S if batch else None)
            except Empty:
                task = None
                ended = False
            else:
                ended = task is None
            if batch and not (isinstance(task, _Task) and task.id not in batch):
                yield list(batch.values())
                batch.clear()
            if ended:
                return
            if isinstance(task, _Task):
                batch[task.id] = task
                if len(batch) == most:
                    yield list(batch.values())
                    batch.clear()

    def _expect_quarantine(self, batch: Iterable[_Task]) -> None:
        with self._lock:
            self._told.broken.update((task.entrance, task.id) for task in batch if task.broken)

    def _count(self, entrance: Entrance, number: int) -> None:
        with self._lock:
            self._told.by_entrance[entrance] += number
            self._progress(number)


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
