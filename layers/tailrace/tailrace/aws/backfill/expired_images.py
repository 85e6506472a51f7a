"""The last images of items that expired in collections with ``on_expiry="keep"``, kept for later meanings.

What has expired is in no table. So the aggregate stage keeps the item as it was, in the form of the journal, before it
commits anything: ``expired/<collection>/<shard>/<sequence>``.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from tailrace.aggregation.marks import decode_sequence, encode_sequence
from tailrace.aws.runtime.deadlines import timely
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.pages import all_folders, all_objects
from tailrace.aws.runtime.parallel import run_all
from tailrace.backfill.boundaries import Position
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.inputs.changes import Change, RawBatch
from tailrace.inputs.item_changes import decoded_changes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EXPIRED = "expired/"
"""The beginning of the keys of expired images."""

_THREADS = 8
_AT_ONCE = 64


class ExpiredItem(NamedTuple):
    """An item that expired: the shard and position of its deletion, its id, and its fields."""

    shard: str
    position: Position
    id: str
    fields: Item


class ExpiredImages(Struct, frozen=True):
    """Writes and reads the images of expired items.

    TTL deletes many items at once, so a batch may have thousands of images. They are stored and read several at a time.
    ``kept`` is, for each shard, the range of changes whose images this process has stored: a redelivery continues where
    an invocation ran out of time. ``executor`` makes the executor for the calls; simulations use no threads.

    Raises (each method):
        Transient: the bucket cannot be used now.
        Permanent: the bucket rejects the request.
    """

    client: Callable[[], "S3Client"]
    bucket: str
    kept: dict[str, tuple[int, int]] = field(default_factory=dict)
    executor: Callable[[int], Executor] | None = None

    def keep(self, batch: RawBatch, pipeline: Pipeline, has_time: Callable[[], bool] = lambda: True) -> None:
        """Store the images of a batch's expired items of collections that keep them; none once ``has_time`` is false.

        Another process stores the same ones again when the batch is redelivered.
        """
        if not pipeline.keeping or batch.shard is None or not batch.positions:
            return
        first, last = batch.positions[0].sequence, batch.positions[-1].sequence
        start, through = self.kept.get(batch.shard, (first, -1))
        if not start <= first <= through:
            start, through = first, -1
        wanted = (one for one in _expired(batch, pipeline) if one[0].sequence > through)
        images = ((change, at) for change, at in wanted if self._is_kept(change, pipeline))
        for some in batched(images, _AT_ONCE, strict=False):
            calls = [partial(self._put, batch.shard, change, at, has_time) for change, at in some]
            run_all(calls, _THREADS, self.executor)
            self.kept[batch.shard] = start, some[-1][0].sequence - 1  # this change may have another image
        self.kept[batch.shard] = start, max(last, through)

    @staticmethod
    def _is_kept(change: Change, pipeline: Pipeline) -> bool:
        return change.collection in pipeline.keeping and change.old is not None

    def _put(self, shard: str, change: Change, created: int, has_time: Callable[[], bool]) -> None:
        key = f"{EXPIRED}{change.collection}/{shard}/{encode_sequence(change.sequence)}"
        body = dumps({"id": change.id, "created": created, "fields": change.old}).encode()
        client = timely(self.client(), has_time)
        with map_aws_errors():
            client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def foreign(self, pipeline: Pipeline) -> list[str]:
        """Return the names under which images of collections that have another name now may be kept.

        A collection with keys of its own keeps its items when it is renamed; a plain one has its name in their keys.
        """
        if all(pipeline.collection(name).keys.is_plain for name in pipeline.keeping):
            return []
        names = all_folders(self.client(), self.bucket, EXPIRED)
        return [name for name in names if name not in pipeline.collections_by_name]

    def read(self, collection: str, wanted: Callable[[str, int], bool]) -> Iterator[ExpiredItem]:
        """Yield the images of a collection's expired items whose deletions (shard, sequence number) are wanted."""
        found = (entry["Key"] for entry in all_objects(self.client(), self.bucket, f"{EXPIRED}{collection}/"))
        places = ((key, *key.split("/")[2:]) for key in found)
        chosen = (place for place in places if wanted(place[1], decode_sequence(place[2])))
        for some in batched(chosen, _AT_ONCE, strict=False):
            yield from run_all([partial(self._get, *place) for place in some], _THREADS, self.executor)

    def _get(self, key: str, shard: str, sequence: str) -> ExpiredItem:
        with map_aws_errors():
            body = loads(self.client().get_object(Bucket=self.bucket, Key=key)["Body"].read())
        position = Position(decode_sequence(sequence), int(body["created"]))
        return ExpiredItem(shard, position, body["id"], body["fields"])


def _expired(batch: RawBatch, pipeline: Pipeline) -> Iterable[tuple[Change, int]]:
    for record in batch.records:
        if "NewImage" not in record.get("dynamodb", {}):
            for change in decoded_changes([record], pipeline, batch.shard):
                if change.expired:
                    yield change, int(record["dynamodb"].get("ApproximateCreationDateTime", 0))
