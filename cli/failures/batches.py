"""Stream batches that Lambda discarded to the failures bucket, as its invocation records."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import inf
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from cli.errors import CommandError
from cli.failures.functions import MALFORMED, FunctionFailed, Functions
from cli.failures.run import Run
from tailrace.aws.runtime.errors import has_code

PREFIX = "aws/lambda/"

UNREADABLE = "are not invocation records"
FOREIGN = "belong to functions outside this stack"
NOT_COUNTED = (
    "of aggregate, missing from the rows: run `tailrace verify --repair`, which restores what is missing, then "
    "remove the batches with --repaired"
)
DISCARDED = "of aggregate"
NOT_REPAIRED = (
    "of aggregate, and some aggregate may lack their changes: run `tailrace verify --repair`, without --sample, before "
    "this command"
)
SENT_IN_PART = "were sent in part; run the command again"


def list_keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Yield the keys of all objects under a prefix, in order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for entry in page.get("Contents", ()):
            yield entry["Key"]


class DiscardedBatches(Struct, frozen=True):
    """Delivers batches of fanout again, and deletes each when everything in it was sent.

    Events keep their ids, so a batch that is delivered twice changes nothing for those who drop known ids. A batch of
    aggregate is never delivered again: some rows may have absorbed it, and the marks of the others have passed it.
    It is removed on request, if the build or repair of every aggregate began after the batch's changes.
    """

    s3: Any
    bucket: str
    functions: Functions
    name: str = "batches"

    def count(self) -> int:
        """Return the number of batches."""
        return sum(1 for _ in list_keys(self.s3, self.bucket, PREFIX))

    def redrive(self, run: Run) -> None:
        """Deliver the batches again, by shard and time.

        Raises:
            CommandError: the function does not report what is repaired.
        """
        repaired_s = self._repaired_s() if run.policy.repaired else None
        for key in list_keys(self.s3, self.bucket, PREFIX):
            self._redrive(key, run, repaired_s)
            if run.is_over:
                break

    def _repaired_s(self) -> float:
        """Return the second before which no aggregate lacks changes: its build or repair began later.

        A repair that failed, or repaired a sample only, has raised the floor, too, and rows may still lack changes.
        Before a build or repair has read the batches, nothing else has the images of the items that expired in them.
        """
        try:
            answer = self.functions.invoke("history", {"task": "status"})
        except FunctionFailed as error:
            raise CommandError(f"history failed: {error}") from error
        defined = [one for one in answer["generations"] if one["defined"]]
        fed = [one for one in defined if one["state"] in {"building", "live"}]
        return min(map(_repaired_s, fed), default=0 if defined else inf)

    def _redrive(self, key: str, run: Run, repaired_s: float | None) -> None:
        body = self._read(key)
        if body is None:
            return
        try:
            record = json.loads(body)
            stage = self.functions.stage_of(record["requestContext"]["functionArn"])
            payload = record["payload"]
            is_repaired = repaired_s is not None and stage == "aggregate" and _newest_s(record) < repaired_s
        except MALFORMED:
            run.tally.leave(UNREADABLE, key)
            return
        if is_repaired:
            run.discard(DISCARDED)
            if not run.dry_run:
                self.s3.delete_object(Bucket=self.bucket, Key=key)
            return
        if stage != "fanout":
            missing = NOT_COUNTED if repaired_s is None else NOT_REPAIRED
            run.tally.leave(missing if stage == "aggregate" else FOREIGN, key)
            return
        if not run.take([key]):
            return
        if not run.dry_run:
            try:
                is_sent = self._deliver(stage, payload)
            except FunctionFailed as error:
                run.tally.leave(f"failed again in fanout: {error}", key)
                return
            if not is_sent:
                run.tally.leave(SENT_IN_PART, key)
                return
            self.s3.delete_object(Bucket=self.bucket, Key=key)
        run.done(self.name)

    def _deliver(self, stage: str, payload: str | Mapping[str, Any]) -> bool:
        """Deliver a batch and, while that makes progress, what is left of it; return whether everything was sent."""
        while failures := self.functions.invoke(stage, payload).get("batchItemFailures"):
            event = json.loads(payload) if isinstance(payload, str) else payload
            numbers = [one["dynamodb"]["SequenceNumber"] for one in event["Records"]]
            first = failures[0]["itemIdentifier"]
            if first not in numbers[1:]:
                return False
            payload = {**event, "Records": event["Records"][numbers.index(first) :]}
        return True

    def _read(self, key: str) -> bytes | None:
        """Return an object; None if somebody else has put it back meanwhile, or it has expired."""
        try:
            content: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if has_code(error, "NoSuchKey"):
                return None
            raise
        return content


def _repaired_s(generation: Mapping[str, Any]) -> float:
    if generation["state"] != "live":
        return 0
    return float(max(generation.get("frontier", 0), generation.get("floor", 0) if generation["exact"] else 0))


def _newest_s(record: Mapping[str, Any]) -> float:
    """Return the second at which the newest change of a batch was made; at the latest, when the batch was discarded."""
    info = record["DDBStreamBatchInfo"]
    ends = ("approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord")
    known = [info[end] for end in ends if end in info]  # the final call of a window has no records to report
    return max(datetime.fromisoformat(time).timestamp() for time in known or [record["timestamp"]])
