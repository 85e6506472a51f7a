"""The batches that the aggregate stage's mapping has discarded: where they reach, and which expired items they held."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct
from msgspec.structs import replace

from tailrace.aws.backfill.progress_rows import AGGREGATE
from tailrace.aws.jobs.context import JobContext, JobEnded
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.runtime.pages import all_objects
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill.boundaries import Boundary, Position
from tailrace.backfill.claims import relevant_since
from tailrace.backfill.coverage import GivenUp, holes
from tailrace.backfill.discards import without
from tailrace.backfill.generations import Generation, GenerationId
from tailrace.errors import InvalidMessage, Transient
from tailrace.inputs.changes import RawBatch, iso_seconds, parse_raw_batch

_GIVEN_UP = "aws/lambda/"
_MAX_SECONDS = 120  # an invocation may take 900, and one batch may hold thousands of images
_MAX_ATTEMPTS = 5
_NOTIFIES_S = 7 * 24 * 3600  # for how long a notification may be under way, generously: Lambda drops it after six hours
_NO_OBJECT = "NoSuchKey"
_NO_NUMBER = -1  # below every sequence number


def no_holes(context: JobContext, boundary: Boundary, firsts: Mapping[str, int]) -> None:
    """Check that no batch that the aggregate stage's mapping discarded reaches a boundary.

    Raises:
        JobEnded: one does; its records may be neither in the base nor added.
    """
    since = boundary.time - context.timing.margin_s
    found = holes(discarded_since(context, since), firsts, boundary.time)
    if found:
        shards = ", ".join(sorted({one.shard for one in found}))
        raise JobEnded(f"a batch beyond the boundary was discarded in shard {shards}: run the job again")


def discarded_since(context: JobContext, since: int) -> Iterator[GivenUp]:
    """Yield the batches that the aggregate stage's mapping has discarded since a second."""
    return (_given_up(record) for _, record in _records(context, since=since))


def tell_readers(context: JobContext, notification: Mapping[str, Any]) -> None:
    """Mark the generations that may lack changes of the discarded batches in a notification from S3.

    The progress of the reader whose mapping discarded a batch says that nobody waits for its changes any more.

    S3 may notify of a batch more than once, and long after it was written: what has been repaired since stays exact.

    Raises:
        Transient: a service cannot be used now, or a control row changes too often; Lambda calls again.
        Permanent: a service rejects the request.
    """
    for one in notification["Records"]:
        record = _object_at(context, unquote_plus(one["s3"]["object"]["key"]))
        stage = context.deployment.stage_of(record.get("function"))
        if stage is None:
            continue
        batch = _given_up(record)
        last = max((one.created for one in batch.positions if one.sequence != _NO_NUMBER), default=None)
        if last is not None:
            context.progress.give_up(stage, batch.shard, iso_seconds(last), context.clock())
        if stage != AGGREGATE:
            continue
        logger().error("a batch was discarded, and rows may lack its changes", extra={"shard": batch.shard})
        for name in context.control.read().generations:
            _tell(context, name, batch)


def tell_before_repair(context: JobContext, generations: Iterable[Generation]) -> None:
    """Mark those generations of a job that may lack changes of discarded batches, before it raises their floor.

    Below a floor, a notification that comes late changes nothing any more, even if the job fails before it has repaired
    anything, or repairs a sample only.

    Raises:
        Transient: a service cannot be used now, or a control row changes too often; the call is repeated.
    """
    exact = [one for one in generations if one.exact]
    if not exact:
        return
    since = max(relevant_since(exact) - context.timing.margin_s, context.now - _NOTIFIES_S)
    for batch in discarded_since(context, since):
        lacking = [one for one in exact if without(one, batch, context.firsts.stored) != one]
        for one in lacking:
            _tell(context, one.id, batch)
            exact.remove(one)
        if not exact:
            return


def _tell(context: JobContext, name: GenerationId, batch: GivenUp) -> None:
    if not any(_is_told(context, name, batch) for _ in range(_MAX_ATTEMPTS)):
        raise Transient("a control row changes too often")


def _is_told(context: JobContext, name: GenerationId, batch: GivenUp) -> bool:
    before = context.control.read().generations[name]
    after = without(before, batch, context.firsts.stored)
    return after == before or context.control.replace(before, after)


def _given_up(record: Mapping[str, Any]) -> GivenUp:
    info = record["DDBStreamBatchInfo"]
    ends = (
        (info.get("startSequenceNumber"), info.get("approximateArrivalOfFirstRecord")),
        (info.get("endSequenceNumber"), info.get("approximateArrivalOfLastRecord")),
    )
    named = [(number, time) for number, time in ends if number and time]
    # the final call of a window names no records: they were created before it was discarded
    known = named or [(_NO_NUMBER, time) for time in (record.get("timestamp"),) if time]
    try:
        return GivenUp(str(info["shardId"]), tuple(_position(number, time) for number, time in known))
    except (ValueError, TypeError, OverflowError):
        logger().warning("the record of a discarded batch does not say what it held")
        return GivenUp(str(info["shardId"]), ())


def _position(number: Any, time: str) -> Position:
    return Position(int(number), int(datetime.fromisoformat(time).timestamp()))


class Kept(Struct, frozen=True):
    """How far a job has stored the images of expired items.

    Attributes:
        through: the key of the last record that was read; "" before the first.
        complete: every record so far says what its batch held.
        done: there are no more.
    """

    through: str = ""
    complete: bool = True
    done: bool = False


def keep_expired_images(context: JobContext, before: Kept) -> Kept:
    """Store the images of expired items that are in discarded batches, since the stage may never have seen them.

    Works for some minutes at most, far less than an invocation may take, and returns how far it got.
    """
    began, kept = context.now, before
    for key, record in _records(context, after=before.through) if context.pipeline.keeping else ():
        batch = _batch(record)
        if batch is None:
            logger().warning("a discarded batch does not say what it held", extra={"object": key})
        else:
            context.expired.keep(batch, context.pipeline)
        kept = Kept(key, kept.complete and batch is not None)
        if context.now - began > _MAX_SECONDS:
            return kept
    return replace(kept, done=True)


def _batch(record: Mapping[str, Any]) -> RawBatch | None:
    try:
        event = json.loads(record["payload"])
        batch = parse_raw_batch(event) if isinstance(event, dict) else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, InvalidMessage):
        return None
    return None if batch is None or batch.shard is None else batch


def _records(context: JobContext, *, since: int = 0, after: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield Lambda's records of the discarded batches of the aggregate stage, each with its key, in the keys' order.

    ``since`` is the second from which on they were written, ``after`` the key of one before all of them.
    """
    for entry in all_objects(context.s3(), context.failures_bucket, _GIVEN_UP):
        if entry["LastModified"].timestamp() >= since and entry["Key"] > after:
            record = _record_at(context, entry["Key"])
            if record is not None:
                yield entry["Key"], record


def _record_at(context: JobContext, key: str) -> Mapping[str, Any] | None:
    """Return Lambda's record of a batch; None if it is not one of the aggregate stage, or is gone."""
    record = _object_at(context, key)
    return record if context.deployment.stage_of(record.get("function")) == AGGREGATE else None


def _object_at(context: JobContext, key: str) -> Mapping[str, Any]:
    """Return Lambda's record of a batch with the name of its function; without one if it is none, or is gone."""
    try:
        body = context.s3().get_object(Bucket=context.failures_bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        if has_code(error, _NO_OBJECT):
            logger().warning("the record of a discarded batch is gone", extra={"object": key})
            return {}
        raise translate(error) from error
    return _parse(body)


def _parse(body: bytes) -> Mapping[str, Any]:
    """Return an object with the name of its function; without one if Lambda has not written it."""
    try:
        record = json.loads(body)
        # function ARNs may end with a version or an alias
        function = record["requestContext"]["functionArn"].split(":")[6]
        return {**record, "function": function} if record["DDBStreamBatchInfo"]["shardId"] else {}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        logger().warning("an object among the discarded batches is not the record of one")
        return {}
