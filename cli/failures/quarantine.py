"""Quarantined items, put back after the code that refused them was fixed.

How an item goes back depends on how it came in. From a queue or a file, it was never stored, so it goes through the
intake queue like any other. From the stream, it is in the table: fanout sends it to archive and routes, if the deployed
definition accepts it and the table still holds it. Aggregates count changes, and an equal item is not a change; worse,
under the fixed code each later change subtracts a contribution that was never added. Only `tailrace verify --repair`,
or a rebuild, makes their rows right.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from cli.console import uninterrupted
from cli.failures.functions import FunctionFailed, Functions
from cli.failures.gate import Decision, Gate, Verdict, conditional_message, message_group
from cli.failures.intake import Intake, parse_operation, put_message
from cli.failures.queues import SENT_BEFORE
from cli.failures.reports import Entry, Report, ReportStore
from cli.failures.run import Run
from tailrace.aws.items.rows import stored_item
from tailrace.aws.runtime.errors import has_code
from tailrace.encoding.digests import item_digest
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import item_key
from tailrace.encoding.tagged_json import dumps
from tailrace.inputs.changes import UNREADABLE as UNDECODABLE

CHANGED = "describe items that were changed or deleted since"
UNREADABLE = "hold no item that could be put back: send or upload a corrected one"
REPEATED = "older reports of the same items, put back with the newest"
REFUSED = "are refused by the intake queue, perhaps because they are too large: upload the items in a file"
AGGREGATES = (
    "aggregates have not counted these items. If their code was fixed without a new version, run "
    "`tailrace verify --repair`; a new version is built by `tailrace rebuild`"
)

_MAX_BATCH, _MAX_BATCH_BYTES = 25, 4_000_000  # an invocation has at most 6 MB


class Prepared(Struct, frozen=True):
    """A report whose item is still in the table, the record to replay, and older reports of the same item."""

    report: Report
    repeats: Sequence[str]
    record: Mapping[str, Any]
    size: int

    @property
    def count(self) -> int:
        """The number of reports."""
        return 1 + len(self.repeats)


class Quarantine(Struct, frozen=True):
    """Puts quarantined items back, and deletes the report of each that was accepted."""

    store: ReportStore
    stream: str
    gate: Gate
    intake: Intake
    functions: Functions
    name: str = "quarantine"

    def count(self) -> int:
        """Return the number of reports."""
        return sum(1 for _ in self.store.list_keys())

    def redrive(self, run: Run, keys: Iterable[str] | None = None) -> None:
        """Put back the items of the reports with these keys, or of all, in the order in which they were refused."""
        reports = self.store.read_all(self.store.list_keys() if keys is None else keys)
        entries = sorted(map(Entry.of, reports), key=lambda entry: entry.order)
        newest = {entry.item_key: entry for entry in entries if entry.is_stored}
        with self.gate.expectations.opened():
            for some in _batches(self._prepared(entries, newest, run)):
                taken = run.take(some)
                if taken:
                    self._replay(taken, run)
                if run.is_over:
                    break

    def _prepared(self, entries: Sequence[Entry], newest: Mapping[str | None, Entry], run: Run) -> Iterator[Prepared]:
        """Yield what fanout has to send; put the other items back at once."""
        repeats: dict[str | None, list[str]] = {}
        resent: set[str] = set()
        for entry in entries:
            last = newest.get(entry.item_key)
            if entry.is_stored and last is not None and last is not entry and last.digest == entry.digest:
                repeats.setdefault(entry.item_key, []).append(entry.key)
                continue
            for report in self.store.read_all([entry.key]):
                if run.is_over:
                    return
                if not entry.is_stored:
                    self._resend(report, run, resent)
                    continue
                repeated = repeats.get(entry.item_key, []) if last is entry else []
                prepared = self._prepare(report, repeated) if last is entry else None
                if prepared is None:
                    for one in (*self.store.read_all(repeated), report):
                        is_whole = entry.has_item and one.came_in_ms is not None
                        self._set_aside(one, CHANGED if is_whole else UNREADABLE, run)
                else:
                    yield prepared

    def _prepare(self, report: Report, repeats: Sequence[str]) -> Prepared | None:
        """Return the record of a report's item as it is in the table; None if it has changed since."""
        found = self._find(report)
        if found is None or report.came_in_ms is None:
            return None
        record = _record(report, *found, self.stream, report.came_in_ms)
        return Prepared(report, repeats, record, len(json.dumps(record)))

    def _find(self, report: Report) -> tuple[Row, Row] | None:
        """Return the key and the row of a report's item, if it is as it was."""
        table, address = self.gate.items, report.address
        if address is None:
            return self._find_row(report)
        keys, key = table.keys_of(address[0]), table.key_of(address)
        row = table.read_rows([address]).get(address)
        if key is None or row is None or item_digest(stored_item(row, keys).item) != report.digest:
            return None
        return key, row

    def _find_row(self, report: Report) -> tuple[Row, Row] | None:
        """Return the key and the attributes of a row that was not an item then, if it is as it was."""
        if report.row is None:
            return None
        try:
            key, image = map(_from_json, report.row)
            row = self.gate.items.read_row(key)
        except UNDECODABLE:
            return None
        except ClientError as error:
            if has_code(error, "ValidationException"):  # the report's key is not one of this table
                return None
            raise
        return None if row is None or decode_item(row) != decode_item(image) else (key, row)

    def _set_aside(self, report: Report, reason: str, run: Run) -> None:
        """Leave a report that cannot be put back, or remove it on request."""
        if run.is_over:
            return
        if not run.policy.discard:
            run.tally.leave(f"{reason} (--discard removes the reports)", _describe(report))
            return
        run.discard(reason)
        if not run.dry_run:
            self.store.delete(report.key)

    def _replay(self, some: Sequence[Prepared], run: Run) -> None:
        request = {"items": [one.record for one in some], "check": run.dry_run}
        try:
            response = self.functions.invoke("fanout", {"replay": request})
        except FunctionFailed as error:
            self._try_each(some, error, run)
            return
        for place, one in enumerate(some):
            reasons = response["violations"].get(str(place))
            if reasons is not None:
                first = reasons[0]["message"] if reasons else "it is not valid"
                run.tally.leave("are still refused", f"{_describe(one.report)}: {first}", one.count)
            elif place in response["failed"]:
                run.tally.leave("could not be sent; run the command again", _describe(one.report), one.count)
            else:
                run.done(self.name)
                if one.repeats:
                    run.tally.remove(REPEATED, len(one.repeats))
                if AGGREGATES not in run.tally.notes:
                    run.tally.notes.append(AGGREGATES)
                if not run.dry_run:
                    # the newest goes last: until then, a second run sends the same event, which is known by its id
                    for key in (*one.repeats, one.report.key):
                        self.store.delete(key)

    def _try_each(self, some: Sequence[Prepared], error: FunctionFailed, run: Run) -> None:
        """Replay items one by one after a call that failed, perhaps because of one of them."""
        if len(some) == 1:
            run.tally.leave(f"failed in fanout: {error}", _describe(some[0].report), some[0].count)
            return
        for one in some:
            self._replay([one], run)

    def _resend(self, report: Report, run: Run, resent: set[str]) -> None:
        """Send the message that stores a report's item; ``resent`` are the items of those that were sent."""
        body = _message(report)
        operation = None if body is None else parse_operation(body, self.gate.items)
        if body is None or operation is None:
            self._set_aside(report, UNREADABLE, run)
            return
        key = item_key(operation.collection, operation.id)
        if self.gate.expectations.was_sent(report.name):
            verdict = Verdict(Decision.REMOVE, SENT_BEFORE)
            resent.add(key)
        else:
            (current,) = self.gate.read([operation]).values()
            verdict = self.gate.judge(operation, current, in_order=key in resent)
        if verdict.decision is Decision.LEAVE:
            run.tally.leave(verdict.reason, _describe(report))
            return
        if verdict.decision is Decision.SEND and not run.take([report]):
            return
        with uninterrupted():
            if verdict.decision is Decision.SEND:
                stamped = self.gate.items.stamped(operation, report.stamp)
                if not run.dry_run:
                    sent = conditional_message(body, stamped, verdict.conditions)
                    refusal = self.intake.send(sent, message_group(operation), report.name)
                    if refusal is not None:
                        run.tally.leave(REFUSED, f"{_describe(report)}: {refusal}")
                        return
                self.gate.sent(report.name, stamped, verdict, dry_run=run.dry_run)
                self.gate.expectations.flush()
                resent.add(key)
                run.done(self.name)
            elif verdict.is_discarded:
                run.discard(verdict.reason)
            else:
                run.tally.remove(verdict.reason)
            if not run.dry_run:
                self.store.delete(report.key)


def _from_json(row: Row) -> Row:
    """Return a row with its binary values as bytes, which are base64 in a record."""
    return encode_item(decode_item(row))


def _message(report: Report) -> str | None:
    """Return the intake message of a report from the queue or a file; None if the report does not hold one."""
    item = report.content.get("item")
    if not isinstance(item, dict):
        return None
    if report.entrance == "queue":
        return dumps(item)
    if report.item_key is None:
        return None
    content = report.content
    return put_message(str(content["collection"]), str(content["id"]), item, content.get("expires_at"))


def _record(report: Report, key: Row, row: Mapping[str, Any], stream: str, made_ms: int) -> dict[str, Any]:
    """Return the stream record of a report's change, as if it had inserted the item."""
    record: dict[str, Any] = {
        "eventID": str(report.origin.get("event")),
        "eventName": "INSERT",
        "eventSourceARN": stream,
        "shard": report.origin.get("shard"),
        "routes": report.refusing_routes,
        "dynamodb": {
            "ApproximateCreationDateTime": made_ms // 1000,
            "Keys": key,
            "SequenceNumber": str(report.content.get("sequence", "0")),
            "NewImage": row,
        },
    }
    return json.loads(json.dumps(record, default=_base64))  # type: ignore[no-any-return]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _batches(prepared: Iterator[Prepared]) -> Iterator[list[Prepared]]:
    batch: list[Prepared] = []
    size = 0
    for one in prepared:
        if batch and (len(batch) == _MAX_BATCH or size + one.size > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


def _describe(report: Report) -> str:
    return f"{report.name} {report.item_key or 'without an id'}"
