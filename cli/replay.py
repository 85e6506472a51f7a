"""``tailrace replay``: sends archived events to the queue of one route again."""

import argparse
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from cli.console import counted, say, show_progress, uninterrupted
from cli.errors import CommandError, UsageError
from cli.failures.archives import Archive, Position
from cli.failures.functions import TIMEOUT_S, FunctionFailed, Functions
from cli.failures.places import route_names
from cli.failures.run import Run
from cli.failures.sent_log import locked_file
from cli.options import add_sending_options, add_stack_options, parse_moment, stack_of
from cli.stacks import DeployedStack, explained
from tailrace.definition.route_names import resource_name
from tailrace.outputs.archives import Event

_HELP = """\
Send the archived events of a time range to the queue of one route, with the
extension attribute "replayed": true. The deployed definition decides which
events the route gets. They are sent in order for each item.

An interrupted replay continues where it stopped when it is repeated. A route
has one replay at a time."""

_MAX_BATCH, _MAX_BATCH_BYTES = 200, 4_000_000
_MAX_EVENT_BYTES = 6_000_000  # an invocation has at most 6 MB; the rest is for the request around the event
_MAX_ATTEMPTS = 6
_MAX_HOURS = 10
_FIRST_PAUSE_S = 0.5


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "replay",
        help="send archived events to a route again",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("route", metavar="ROUTE", help="name of the route")
    moment = "date or time, in UTC unless it has an offset"
    parser.add_argument(
        "--from", dest="start", required=True, type=parse_moment, metavar="TIME", help=f"first {moment}"
    )
    parser.add_argument(
        "--to", dest="end", required=True, type=parse_moment, metavar="TIME", help=f"{moment}, excluded"
    )
    parser.add_argument(
        "--restart", action="store_true", help="begin again instead of continuing an interrupted replay"
    )
    add_stack_options(parser)
    add_sending_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Send the events; return 1 if some are gone from the archive, too long, or the route's predicate fails on them.

    Raises:
        CommandError: there is no such route, or AWS rejects a request.
    """
    if options.start >= options.end:
        raise UsageError("--from must be before --to.")
    with explained(), ExitStack() as locks:
        stack = stack_of(options)
        names = route_names(stack)
        if resource_name(options.route) not in map(resource_name, names):
            raise UsageError(f"There is no route {options.route!r}: choose from {', '.join(names) or 'none'}.")
        bookmark = Bookmark(_bookmark_path(stack, options))
        if not options.dry_run:
            locks.enter_context(_lock(stack, options.route))
        after = None if options.restart else bookmark.read()
        if options.restart and not options.dry_run:
            bookmark.remove()
        if after is not None:
            say(f"Continuing an interrupted replay at hour {after[0]}; --restart begins again.")
        replay = _replay(stack, options.route)
        paced = Run(dry_run=options.dry_run, limit=options.limit, rate=options.rate)
        try:
            replay.send(options.start, options.end, paced, bookmark, restart=options.restart)
        except KeyboardInterrupt:
            say("Interrupted: repeat the command to continue.")
            raise
        finally:
            would = "would be sent" if options.dry_run else "sent"
            say(f"{counted(paced.tally.put_back, 'event')} {would} to {options.route}")
            if not replay.read["events"]:
                where = "after that" if after else "in this time range"
                say(f"The archive has no events of the route's collection {where}.")
            gone, too_long = replay.archive.gone, replay.too_long
            be = "is" if gone.total() == 1 else "are"
            text = f"{counted(gone.total(), 'object')} of the archive {be} gone, so the events in them were left out:"
            _say_hours(text, gone)
            _say_hours(f"{counted(too_long.total(), 'event')} left out, too long for a call of fanout:", too_long)
            undecided = counted(replay.undecided.total(), "event")
            text = f"{undecided} left out, because the predicate fails on them ({''.join(replay.reasons[:1])}):"
            _say_hours(text, replay.undecided)
    return 1 if gone or too_long or replay.undecided else 0


def _say_hours(text: str, hours: Counter[str]) -> None:
    if not hours:
        return
    say(text)
    for hour, count in sorted(hours.items())[:_MAX_HOURS]:
        say(f"  {hour}: {count:,}")
    if len(hours) > _MAX_HOURS:
        say(f"  … {counted(len(hours) - _MAX_HOURS, 'hour')} more, the last {max(hours)}")


type Batch = list[tuple[Position, Event]]


class Bookmark(Struct, frozen=True):
    """A file with the position of the last event that was dealt with."""

    path: Path

    def read(self) -> Position | None:
        """Return the position; None at the beginning."""
        try:
            hour, shard, sequence, event_id = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return str(hour), str(shard), int(sequence), str(event_id)

    def write(self, position: Position) -> None:
        """Remember a position, whole or not at all."""
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(position), encoding="utf-8")
        os.replace(partial, self.path)  # noqa: PTH105 - its name says that it is atomic

    def remove(self) -> None:
        """Forget the position."""
        self.path.unlink(missing_ok=True)


class Replay(Struct, frozen=True):
    """Sends a route's archived events through fanout, which knows the definition and the queue.

    ``read`` counts the archive's events. ``too_long`` counts, by hour, the events that no call of fanout can hold, and
    ``undecided`` those on which the route's predicate fails, with the first of its ``reasons``; the others are sent.
    """

    archive: Archive
    functions: Functions
    route: str
    sleep: Callable[[float], None] = time.sleep
    read: Counter[str] = field(default_factory=Counter)
    too_long: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def send(self, start: datetime, end: datetime, run: Run, bookmark: Bookmark, *, restart: bool = False) -> None:
        """Send the events of a time range, from the bookmark on; a dry run counts them and leaves the bookmark."""
        after = None if restart else bookmark.read()
        events = self.archive.events(self._collection(), start, end, after)
        for batch in self._limited(_batches(self._short(events), run), run):
            run.wait()
            with uninterrupted():
                run.spend(self._send(batch, run))
                if not run.dry_run:
                    bookmark.write(batch[-1][0])
            show_progress(f"  {batch[-1][0][0]}: {run.tally.put_back:,}")
            if run.is_over:
                return
        if not run.dry_run:
            bookmark.remove()

    def _short(self, events: Iterable[tuple[Position, Event]]) -> Iterator[tuple[Position, Event, int]]:
        """Yield the events that a call can hold, with their sizes in it."""
        for position, event in events:
            self.read["events"] += 1
            size = len(json.dumps(event.text))
            if size > _MAX_EVENT_BYTES:
                self.too_long[position[0]] += 1
            else:
                yield position, event, size

    def _limited(self, batches: Iterable[Batch], run: Run) -> Iterator[Batch]:
        """Split the batches whose events could exceed the limit; most events may not be the route's."""
        for batch in batches:
            rest = batch
            while rest:
                part = rest
                while run.limit is not None and len(part) > run.limit and self._matching(part) > run.limit:
                    part = part[: len(part) // 2]
                yield part
                rest = rest[len(part) :]

    def _matching(self, batch: Batch) -> int:
        request = {"route": self.route, "events": [event.text for _, event in batch], "check": True}
        return int(self._invoke(request)["matched"])

    def _collection(self) -> str:
        response = self._invoke({"route": self.route, "events": [], "check": True})
        return str(response["collection"])

    def _send(self, batch: Batch, run: Run) -> int:
        """Send the events that match the route, and return their number; each is counted as soon as it is sent."""
        texts = [event.text for _, event in batch]
        response = self._invoke({"route": self.route, "events": texts, "check": run.dry_run})
        for place, violations in response.get("violations", {}).items():
            self.undecided[batch[int(place)][0][0]] += 1
            if not self.reasons:
                self.reasons.append(violations[0]["message"])
        matched, left = int(response["matched"]), [texts[place] for place in response["failed"]]
        run.tally.put_back += matched - len(left)
        for attempt in range(_MAX_ATTEMPTS if left else 0):
            self.sleep(_FIRST_PAUSE_S * 2**attempt)
            failed = self._invoke({"route": self.route, "events": left})["failed"]
            run.tally.put_back += len(left) - len(failed)
            left = [left[place] for place in failed]
            if not left:
                break
        if left:
            text = f"The queue of {self.route} does not accept events now: repeat the command to continue."
            raise CommandError(text)
        return matched

    def _invoke(self, request: Mapping[str, Any]) -> Any:
        try:
            return self.functions.invoke("fanout", {"replay": request})
        except FunctionFailed as error:
            raise CommandError(f"fanout cannot replay these events: {error}") from error


def _replay(stack: DeployedStack, route: str) -> Replay:
    tables = stack.client("dynamodb"), stack.output("CatalogTable")
    archive = Archive(stack.client("s3"), tables[0], stack.output("ArchiveBucket"), tables[1])
    return Replay(archive, Functions(stack.client("lambda", read_timeout_s=TIMEOUT_S), stack.name), route)


def _batches(events: Iterable[tuple[Position, Event, int]], run: Run) -> Iterator[Batch]:
    """Split events into invocations, none of which can send more than the rate allows in a second."""
    batch: Batch = []
    size = 0
    for position, event, length in events:
        if batch and (len(batch) >= _batch_size(run) or size + length > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((position, event))
        size += length
    if batch:
        yield batch


def _batch_size(run: Run) -> int:
    return _MAX_BATCH if run.rate is None or run.dry_run else min(_MAX_BATCH, max(1, int(run.rate)))


def _lock(stack: DeployedStack, route: str) -> AbstractContextManager[Any]:
    """Keep other replays of a route out: the events of an item would not be in order, and bookmarks be mixed up."""
    return locked_file(stack.state_folder / f"replay-{resource_name(route)}.lock", "replay of this route")


def _bookmark_path(stack: DeployedStack, options: argparse.Namespace) -> Path:
    span = f"{options.start.isoformat()} {options.end.isoformat()}"
    digest = hashlib.sha256(span.encode()).hexdigest()[:16]
    return stack.state_folder / f"replay-{resource_name(options.route)}-{digest}.json"
