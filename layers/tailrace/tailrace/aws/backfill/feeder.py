"""Decides what an invocation of the aggregate stage feeds, by the control rows, and journals it for jobs.

The order of an invocation's effects is what makes jobs exact: it marks generations that it cannot feed as interrupted,
stores the first numbers of boundaries, journals, and only then commits rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tailrace.aggregation.carried.state import meaning_of
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.claim_rows import ClaimRows
from tailrace.aws.backfill.control import UNKEPT_AGAIN_S, Control, ControlTable, control_key, parse_control
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.backfill.feed import FedRows, Feed, positions_of
from tailrace.aws.backfill.firsts import BoundaryFirsts
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.backfill.outstanding_rows import ShardRow
from tailrace.aws.backfill.progress_rows import AGGREGATE, ProgressRows, is_miscounted
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.backfill.admission import admit, is_too_old
from tailrace.backfill.boundaries import Position
from tailrace.backfill.claims import CONTRADICTED, claimed, is_contradicted
from tailrace.backfill.coverage import GivenUp
from tailrace.backfill.discards import UNREAD, without
from tailrace.backfill.fingerprints.lock import meanings
from tailrace.backfill.generations import (
    Generation,
    GenerationId,
    State,
    adopted,
    contradict,
    distrusted,
    interrupt,
)
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import SENTINELS
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch
from tailrace.inputs.item_changes import expired_collections

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

OLDER_CODE = "a release older than the journal has run"

_NO_NUMBER = -1  # below every sequence number


@cache
def fingerprints(pipeline: Pipeline) -> Mapping[GenerationId, str]:
    """Return the fingerprint of each aggregate of a definition, by name and version."""
    return meanings(pipeline)


class View(Struct, frozen=True):
    """The control rows and a shard's row, as they were at one moment.

    Attributes:
        control: all control rows.
        feeds: the generations that the definition feeds.
        shard: the shard's row.
    """

    control: Control
    feeds: tuple[Generation, ...]
    shard: ShardRow

    @property
    def has_job(self) -> bool:
        """Whether a job journals what is committed: it needs each change under its own number, and soon."""
        return any(one.journal is not None for one in self.feeds)

    def meaning(self, pipeline: Pipeline) -> str:
        """Return what the rows mean that a batch is folded into now."""
        described = [
            (one.id, one.fingerprint, one.epoch, [boundary and boundary.id for boundary in (one.frontier, one.floor)])
            for one in self.feeds
        ]
        return meaning_of(described, pipeline)


class Feeder(Struct, frozen=True):
    """Reads the control rows for each invocation, and writes the journal.

    Raises (each method):
        Transient: the whole batch must be delivered again.
        Permanent: a table or bucket rejects a request.
    """

    client: "DynamoDBClient"
    control: ControlTable
    progress: ProgressRows
    firsts: BoundaryFirsts
    journal: JournalBucket
    expired: ExpiredImages
    lineages: Lineages
    clock: Callable[[], datetime]

    def look(self, shard: str | None, pipeline: Pipeline) -> View:
        """Return what is fed at this moment, after marking what the definition cannot feed as interrupted."""
        control, progress_row = self._read(shard)
        if not control.exists:
            # a stack from before control rows: nothing is known about the rows that it has
            known = [adopted(name, version, of) for (name, version), of in fingerprints(pipeline).items()]
            self.control.create(known, since_creation=False)
            self.progress.accept_counts()
            control, progress_row = self._read(shard)
        if progress_row is not None and is_miscounted(progress_row):
            distrust(self.control, control, self.progress)
            raise Transient("older code has run; the control rows are read again")
        admission = admit(control.generations.values(), fingerprints(pipeline))
        for one in admission.interrupts:
            reason = "code with another definition ran"
            logger().warning("generation interrupted", extra={"aggregate": one.aggregate, "version": one.version})
            # before the write: if that succeeds without a response, no later attempt counts it
            count_metrics(GenerationsInterrupted=1)
            if not self.control.replace(one, interrupt(one, reason)):
                raise Transient("a control row has changed; the control rows are read again")
        feeds = tuple(one for one in admission.feeds if shard is not None or not one.boundaries)
        return View(control, feeds, ShardRow.parse(progress_row))

    def feed(self, view: View, batch: RawBatch) -> Feed:
        """Return what a batch feeds."""
        feeds = view.feeds
        self._see_claims(feeds, batch)
        firsts = {one.id: dict(self._firsts(one, batch)) for one in feeds if one.boundaries}
        now = int(self.clock().timestamp())
        return Feed({one.id: one for one in feeds}, firsts, now, view.control.unkept, view.control.collections)

    def is_too_old(self, batch: RawBatch) -> bool:
        """Tell whether some changes come so late that what a job has built does not add them any more."""
        now = int(self.clock().timestamp())
        return any(is_too_old(position.created, now) for position in positions_of(batch))

    def doubt(self, view: View, reason: str) -> None:
        """Record that changes are lost: nothing that is fed is known to be exact any more."""
        for one in view.feeds:
            if not distrust_one(self.control, one, reason):
                raise Transient("a control row has changed; the control rows are read again")

    def doubt_unread(self, unread: Mapping[str, str]) -> None:
        """Record that changes up to a time in some shards were never read, by the shard: rows may lack them.

        Those that a generation does not add anyway, because they are below its frontier or floor, are no loss for it.
        """
        for shard, time in unread.items():
            logger().error(UNREAD, extra={"shard": shard})
            batch = GivenUp(shard, (Position(_NO_NUMBER, int(datetime.fromisoformat(time).timestamp())),))
            for one in self.control.read().generations.values():
                after = without(one, batch, self.firsts.stored, UNREAD)
                count_metrics(GenerationsInterrupted=int(after != one and (one.exact or one.state is State.BUILDING)))
                if after != one and not self.control.replace(one, after):
                    raise Transient("a control row has changed; the control rows are read again")
            # only now: a repetition of this call would not find it any more
            self.progress.give_up(AGGREGATE, shard, time, self.clock())

    def write(  # noqa: PLR0913, PLR0917 - what is journaled
        self,
        feed: Feed,
        batch: RawBatch,
        mark: str,
        rows: FedRows,
        pipeline: Pipeline,
        has_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """Journal what is about to be committed, and keep the images of expired items, or record that they are not."""
        if new := pipeline.collections_by_name.keys() - feed.collections:
            self.control.record_collections(new)
        known = {name for name, at in feed.unkept.items() if at > feed.now - UNKEPT_AGAIN_S}
        unkept = expired_collections(batch.records, pipeline, feed.collections) - pipeline.keeping - known
        if unkept:
            self.control.record_unkept(unkept, feed.now)
        self.expired.keep(batch, pipeline, has_time)
        written = feed.journal(batch, mark, rows, pipeline)
        if written is not None:
            self.journal.put(written)
            read = [
                (change.item, change.sequence) for change in written.changes if change.item.startswith(f"{SENTINELS}#")
            ]
            for boundary in dict.fromkeys(writer.boundary for writer in written.writers):
                self.journal.note_sentinels(boundary, written.shard, read)

    def _read(self, shard: str | None) -> tuple[Control, Mapping[str, Any] | None]:
        """Return the control rows and the shard's progress row, in one strongly consistent read."""
        request: Any = {self.control.table: {"Keys": [control_key()], "ConsistentRead": True}}
        if shard is not None:
            request[self.progress.table] = {"Keys": [self.progress.key(shard)], "ConsistentRead": True}
        with map_aws_errors():
            answer = self.client.batch_get_item(RequestItems=request)
        if answer.get("UnprocessedKeys"):
            raise Transient("the tables are too busy to read the control rows")
        found = answer["Responses"]
        control = parse_control(next(iter(found.get(self.control.table, [])), {}))
        return control, next(iter(found.get(self.progress.table, [])), None)

    def _see_claims(self, feeds: Iterable[Generation], batch: RawBatch) -> None:
        """Withdraw the claims that a batch contradicts, before anything of it is journaled or added.

        Raises:
            Transient: some claim was contradicted; the control rows are read again.
        """
        if batch.shard is None or not any(boundary.covered for one in feeds for boundary in one.boundaries):
            return
        positions, now = positions_of(batch), int(self.clock().timestamp())
        claims = ClaimRows(self.client, self.control.table)
        wrong = False
        for one in feeds:
            for boundary in one.boundaries:
                records = claimed(boundary, positions, now)
                if records and is_contradicted(batch.shard, records, claims.throughs(boundary.id)):
                    where = {"aggregate": one.aggregate, "version": one.version, "shard": batch.shard}
                    logger().error(CONTRADICTED, extra=where)
                    count_metrics(GenerationsInterrupted=1)
                    self.control.replace(one, contradict(one, CONTRADICTED))
                    wrong = True
                    break
        if wrong:
            raise Transient("a claim was contradicted; the control rows are read again")

    def _firsts(self, generation: Generation, batch: RawBatch) -> Iterator[tuple[str, int | None]]:
        shard = batch.shard
        if shard is None:
            return
        positions: Iterable[Position] = positions_of(batch)
        for boundary in generation.boundaries:
            parents = lambda: self.lineages.parents_of(shard, batch.stream)  # noqa: E731
            yield boundary.id, self.firsts.find(boundary, shard, positions, parents)


def assemble_feeder(  # noqa: PLR0913, PLR0917 - what it works on
    dynamodb: "DynamoDBClient",
    s3: "Callable[[], S3Client]",
    aggregates_table: str,
    progress_table: str,
    bucket: str,
    lineages: Lineages,
    clock: Callable[[], datetime],
) -> Feeder:
    """Return a feeder; ``s3`` makes the client of the bucket, which is not needed while nothing is journaled."""
    return Feeder(
        dynamodb,
        ControlTable(dynamodb, aggregates_table),
        ProgressRows(dynamodb, progress_table),
        BoundaryFirsts(dynamodb, aggregates_table, clock),
        JournalBucket(s3, bucket),
        ExpiredImages(s3, bucket),
        lineages,
        clock,
    )


def distrust(table: ControlTable, control: Control, progress: ProgressRows) -> None:
    """Record that older code has run: builds are interrupted, and no generation is known to be exact.

    Raises:
        Transient: the tables cannot be used now, or a control row has changed.
    """
    for one in control.generations.values():
        if not distrust_one(table, one, OLDER_CODE):
            raise Transient("a control row has changed; the control rows are read again")
    progress.accept_counts()


def distrust_one(table: ControlTable, one: Generation, reason: str) -> bool:
    """Record that a generation may have missed something, and raise the alarm; False if its control row has changed.

    A generation that is already inexact was counted then. Jobs and deployments call this, too, but the alarm watches
    the stage that writes the rows.
    """
    after = distrusted(one, reason)
    count_metrics({"service": "aggregate"}, GenerationsInterrupted=int(one.exact or one.state is State.BUILDING))
    return after == one or table.replace(one, after)
