"""A simulated upstream: feeds the timeline into the stack in order, through every entrance, as other systems would.

A day's timetable arrives as a file; departures and landings are written directly to the table, those of a few flights
through the HTTP API; cancellations are queue messages. A flight's changes never overtake each other: each flight has
one writer, writers send sequentially, and a day's changes wait until its timetable has been loaded.
"""

import gzip
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from local.demo.timeline import BrokenItem, Change, Entrance, Event, Item, Timetable
from local.demo.writers import FeedError, StackWriter

if TYPE_CHECKING:
    from datetime import date

COLLECTION = "flights"
WRITER_THREADS: dict[Entrance, int] = {"file": 1, "table": 4, "api": 1, "queue": 1}
"""Writer threads per entrance: a slow entrance does not block the others."""
_BATCH_ITEMS, _BATCH_MESSAGES = 25, 10  # the most that BatchWriteItem and SendMessageBatch take
_API_ONE_IN = 600
"""One flight in 600 is updated through the HTTP API."""
_INBOX_SIZE = 2_000
_BATCH_WAIT_S, _RECEIPT_POLL_S, _RECEIPT_TIMEOUT_S = 0.05, 0.05, 120.0

type Progress = Callable[[int], None]


class _Task(Struct, frozen=True):
    entrance: Entrance
    id: str
    item: Item
    patch: Item | None  # None: the whole item is put, as always for a broken item
    broken: bool = False


type Inbox = Queue[_Task | Timetable | None]


class _Worker(Struct):
    """A thread and its pending writes; None ends it."""

    inbox: Inbox
    finished: Future[None] = field(default_factory=Future)

    def submit(self, task: _Task | Timetable | None) -> None:
        """Queue a task, waiting while the inbox is full; raise the thread's error if it has stopped."""
        while not self.finished.done():
            try:
                self.inbox.put(task, timeout=0.2)
            except Full:
                continue
            return
        if task is not None:
            self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise the thread's error if it has ended early."""
        if self.finished.done():
            self.finished.result()
            raise FeedError("A writer stopped early.")


class FeedResult(Struct):
    """What was fed: counts by entrance, what must be quarantined, what the API rejected, and the start.

    ``started_at`` is the monotonic time of the first write. ``receipts`` holds ``(accepted, rejected)`` per file, as
    the stack reported them; ``expected_receipts`` what they must be.
    """

    started_at: float
    by_entrance: Counter[Entrance] = field(default_factory=Counter)
    broken: set[tuple[str, str]] = field(default_factory=set)
    api_broken: int = 0
    api_rejected: int = 0
    expected_receipts: dict[str, tuple[int, int]] = field(default_factory=dict)
    receipts: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """Number of changes to valid items fed."""
        return sum(self.by_entrance.values())


class Feed:
    """Feeds a timeline into one stack. Use once."""

    def __init__(self, stack_writer: StackWriter, progress: Progress) -> None:
        self._stack_writer = stack_writer
        self._progress = progress
        self._lock = threading.Lock()
        self._result = FeedResult(time.monotonic())
        self._loaded_days: dict[date, threading.Event] = {}
        self._write = {
            "file": self._upload_timetables,
            "table": self._write_table,
            "queue": self._send_messages,
            "api": self._call_api,
        }
        self._workers: dict[Entrance, list[_Worker]] = {}
        self._cancelled = threading.Event()

    def run(self, events: Iterable[Event]) -> FeedResult:
        """Feed everything, and return when all of it has been accepted.

        Raises:
            FeedError: the stack accepted something too late or not at all.
        """
        self._result.started_at = time.monotonic()
        with ThreadPoolExecutor(sum(WRITER_THREADS.values()), "upstream") as threads:
            for entrance, number in WRITER_THREADS.items():
                workers = [_Worker(Queue(_INBOX_SIZE)) for _ in range(number)]
                for worker in workers:
                    worker.finished = threads.submit(self._write[entrance], worker.inbox)
                self._workers[entrance] = workers
            try:
                for event in events:
                    self._dispatch(event)
            except BaseException:
                self._cancelled.set()
                raise
            finally:
                all_workers = [worker for workers in self._workers.values() for worker in workers]
                for worker in all_workers:
                    worker.submit(None)
        for worker in all_workers:
            worker.finished.result()
        return self._result

    def _dispatch(self, event: Event) -> None:
        # by flight (or day), so that one writer has all of its changes
        if isinstance(event, Timetable):
            self._loaded_days[event.day] = threading.Event()
            self._workers["file"][0].submit(event)
            return
        publisher = self._workers["file"][0]
        while not self._loaded_days[event.day].wait(_RECEIPT_POLL_S):
            publisher.raise_if_stopped()
        task = _task(event)
        workers = self._workers[task.entrance]
        workers[zlib.crc32(task.id.encode()) % len(workers)].submit(task)

    def _upload_timetables(self, inbox: Inbox) -> None:
        while isinstance(timetable := inbox.get(), Timetable) and not self._cancelled.is_set():
            lines = (json.dumps({"id": item_id} | item) for item_id, item in timetable.items)
            name = f"{COLLECTION}/{timetable.day.isoformat()}.jsonl.gz"
            # no timestamp in the header: the same flights make the same file
            self._stack_writer.upload(name, gzip.compress("\n".join(lines).encode(), mtime=0))
            valid = len(timetable.items) - timetable.broken
            self._count("file", valid)
            with self._lock:
                self._result.broken.update(("file", item_id) for item_id, _ in timetable.items[valid:])
            self._result.expected_receipts[name] = (valid, timetable.broken)
            self._result.receipts[name] = self._await_receipt(name)
            self._loaded_days[timetable.day].set()

    def _await_receipt(self, name: str) -> tuple[int, int]:
        deadline = time.monotonic() + _RECEIPT_TIMEOUT_S
        while time.monotonic() < deadline and not self._cancelled.is_set():
            receipt = self._stack_writer.receipt(name)
            if receipt is not None:
                return receipt["accepted"], receipt["rejected"]
            time.sleep(_RECEIPT_POLL_S)
        raise FeedError(f"The timetable {name} was not loaded within {_RECEIPT_TIMEOUT_S:.0f} s.")

    def _write_table(self, inbox: Inbox) -> None:
        for batch in self._batches(inbox, _BATCH_ITEMS):
            self._expect_quarantine(batch)
            self._stack_writer.write_items(COLLECTION, {task.id: task.item for task in batch})
            self._count("table", sum(not task.broken for task in batch))

    def _send_messages(self, inbox: Inbox) -> None:
        for batch in self._batches(inbox, _BATCH_MESSAGES):
            self._expect_quarantine(batch)
            self._stack_writer.send_messages({task.id: _message_body(task) for task in batch})
            self._count("queue", sum(not task.broken for task in batch))

    def _call_api(self, inbox: Inbox) -> None:
        for (task,) in self._batches(inbox, 1):
            status = self._stack_writer.request(COLLECTION, task.id, task.item, task.patch)
            rejected = 400 <= status < 500  # noqa: PLR2004 - HTTP's client errors
            if task.broken:
                with self._lock:
                    self._result.api_broken += 1
                    self._result.api_rejected += rejected
            elif rejected:
                raise FeedError(f"The API rejected flight {task.id} with status {status}.")
            else:
                self._count("api", 1)

    def _batches(self, inbox: Inbox, maximum: int) -> Iterator[list[_Task]]:
        """Yield incoming tasks in order, in batches of up to ``maximum`` different flights, until None arrives.

        A partial batch is yielded when nothing arrives for a moment.
        """
        batch: dict[str, _Task] = {}
        while not self._cancelled.is_set():
            try:
                task = inbox.get(timeout=_BATCH_WAIT_S if batch else None)
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
                if len(batch) == maximum:
                    yield list(batch.values())
                    batch.clear()

    def _expect_quarantine(self, batch: Iterable[_Task]) -> None:
        with self._lock:
            self._result.broken.update((task.entrance, task.id) for task in batch if task.broken)

    def _count(self, entrance: Entrance, number: int) -> None:
        with self._lock:
            self._result.by_entrance[entrance] += number
            self._progress(number)


def _task(event: Change | BrokenItem) -> _Task:
    if isinstance(event, BrokenItem):
        return _Task(event.entrance, event.id, event.item, None, broken=True)
    if event.kind == "cancelled":
        return _Task("queue", event.id, event.item, event.patch)
    uses_api = zlib.crc32(f"api {event.id}".encode()) % _API_ONE_IN == 0
    return _Task("api" if uses_api else "table", event.id, event.item, event.patch if uses_api else None)


def _message_body(task: _Task) -> dict[str, Any]:
    operation = {"op": "put", "item": task.item} if task.patch is None else {"op": "patch", "patch": task.patch}
    return {"collection": COLLECTION, "id": task.id, **operation}
