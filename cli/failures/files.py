"""The async failures queue: S3 notifications that load or catalog failed to process."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import batched
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError
from msgspec import Struct

from cli.failures.functions import MALFORMED, FunctionFailed, Functions
from cli.failures.gate import Decision, Gate
from cli.failures.leases import Leases, Message, leased
from cli.failures.queues import message_count, note_hidden
from cli.failures.run import Run
from tailrace.aws.stages.receipts import is_later
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import InvalidMessage, NotFound
from tailrace.inputs.lines import Line, detect_format, read_lines
from tailrace.inputs.messages import Operation
from tailrace.inputs.unpacking import unpacked
from tailrace.outputs.inbox_keys import INBOX, receipt_key

LEASE_S = 960
"""Longer than the timeout of load."""

FOREIGN = "are not notifications for this stack"
LOADED = "the file, or a later upload of its name, was loaded since"
GONE = "the file was deleted before it was loaded: upload it again"
REJECTED = "AWS rejects a request for the file:"
LINES = "files with lines that"
_MISSING = ("NoSuchKey", "404")
_READ_TOGETHER = 100
_UNREADABLE_FILE = (InvalidMessage, NotFound)


class AsyncFailures(Struct, frozen=True):
    """Calls load or catalog with each notification, and deletes it when the function has succeeded.

    An archive object gets the same catalog row again. A file's lines replace items, so each is compared with its item
    first, like a message of the intake. ``definition`` returns the definition on this machine, which says how to read
    the file; what cannot be read is for load to refuse.
    """

    sqs: Any
    s3: Any
    queue: str
    bucket: str
    functions: Functions
    gate: Gate
    definition: Callable[[], Pipeline]
    name: str = "async"

    def count(self) -> int:
        """Return about how many notifications there are."""
        return message_count(self.sqs, self.queue)

    def redrive(self, run: Run) -> None:
        """Process the notifications."""
        with leased(self.sqs, self.queue, LEASE_S, batch_size=1) as leases:
            for (message,) in leases:
                self._redrive(message, leases, run)
                if run.is_over:
                    break
            else:
                note_hidden(leases, run)

    def _redrive(self, message: Message, leases: Leases, run: Run) -> None:
        """Process a notification. It stays hidden if this is interrupted, because the function then continues."""
        stage, event = self._parse(message.body)
        try:
            reason = self._reason_to_leave(stage, event, run)
        except ClientError as error:  # the notifications behind it may be fine
            reason = f"{REJECTED} {error.operation_name}: {error.response['Error']['Code']}"
        if reason is None and not run.take([message]):
            leases.keep([message])
            return
        if reason is None and not run.dry_run:
            reason = self._invoke(str(stage), event)
        if reason is None:
            run.done(self.name)
        elif reason == LOADED:
            run.tally.remove(LOADED)
        else:
            run.tally.leave(reason, _keys(event))
        if reason in (None, LOADED) and not run.dry_run:
            leases.delete([message])
        else:
            leases.keep([message])

    def _reason_to_leave(self, stage: str | None, event: Mapping[str, Any], run: Run) -> str | None:
        if stage == "catalog":
            return None
        if stage != "load":
            return FOREIGN
        uploads = [record for record in event.get("Records", ()) if not self._is_loaded(record)]
        if not uploads:
            return LOADED
        if not all(self._is_stored(upload) for upload in uploads):
            return GONE
        if run.policy.overwrite and not run.policy.newer_by:
            return None
        return next((reason for upload in uploads if (reason := self._reason_of_lines(upload))), None)

    def _reason_of_lines(self, record: Mapping[str, Any]) -> str | None:
        """Return why a file must not be loaded, if one of its lines must not."""
        key = unquote_plus(record["s3"]["object"]["key"])
        for operations in batched(self._readable_puts(key), _READ_TOGETHER, strict=False):
            items = self.gate.read(operations)
            for one in operations:
                verdict = self.gate.judge(one, items[one.collection, one.id], in_order=False)
                if verdict.decision is Decision.LEAVE or verdict.is_discarded:
                    return f"{LINES} {verdict.reason}"
        return None

    def _readable_puts(self, key: str) -> Iterator[Operation]:
        """Yield the operations up to where a file cannot be read: load writes those before it refuses the rest."""
        with suppress(*_UNREADABLE_FILE):
            yield from self._read_puts(key)

    def _read_puts(self, key: str) -> Iterator[Operation]:
        """Yield the operations that a file's lines amount to."""
        name = key.removeprefix(INBOX).partition("/")[0]
        collection = self.definition().collection(name)
        form, is_compressed = detect_format(key)
        body = io.BufferedReader(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"])
        text = unpacked(body, named_gzip=is_compressed, encoding="")
        for line in read_lines(text, form, collection.compiled, collection.id_columns, keys=collection.keys):
            if isinstance(line, Line):
                operation = Operation("put", name, line.id, line.item, line.expires_at)
                if self.gate.items.key_of((name, line.id)) is not None:
                    yield operation

    def _invoke(self, stage: str, event: Mapping[str, Any]) -> str | None:
        """Call a function; return why it failed, if it did."""
        try:
            self.functions.invoke(stage, event)
        except FunctionFailed as error:
            return f"failed again in {stage}: {error}"
        return None

    def _parse(self, body: str) -> tuple[str | None, Mapping[str, Any]]:
        try:
            record = json.loads(body)
            stage, event = self.functions.stage_of(record["requestContext"]["functionArn"]), record["requestPayload"]
            unquote_plus("".join(one["s3"]["object"]["key"] for one in event["Records"]))
        except MALFORMED:
            return None, {}
        return stage, event

    def _is_stored(self, record: Mapping[str, Any]) -> bool:
        """Return whether there still is a file with this name."""
        try:
            self.s3.head_object(Bucket=self.bucket, Key=unquote_plus(record["s3"]["object"]["key"]))
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return False
            raise
        return True

    def _is_loaded(self, record: Mapping[str, Any]) -> bool:
        """Return whether a file's receipt is that of this upload, or of a later one: load then skips it."""
        described = record["s3"]["object"]
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=receipt_key(unquote_plus(described["key"])))
            receipt = json.loads(found["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return False
            raise
        except (ValueError, RecursionError):
            return False
        loaded = receipt.get("sequencer") if isinstance(receipt, dict) else None
        sequencer = described.get("sequencer")
        is_known = all(isinstance(one, str) and one for one in (loaded, sequencer))
        return is_known and not is_later(sequencer, str(loaded))


def _keys(event: Mapping[str, Any]) -> str:
    try:
        return ", ".join(unquote_plus(record["s3"]["object"]["key"]) for record in event["Records"])
    except (KeyError, TypeError):
        return "a notification without objects"
