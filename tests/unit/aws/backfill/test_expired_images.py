"""The images of expired items: each is stored before its batch is committed, however many deliveries that takes."""

import io
from random import Random
from typing import Any

import pytest

from local.in_memory.errors import client_error
from tailrace import Aggregate, Collection, Pipeline, count, field
from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch, parse_raw_batch
from tailrace.testing import event, record

VISITS = Collection("visits", schema={"type": "object"}, on_expiry="keep")
PIPELINE = Pipeline([VISITS], [Aggregate("pages", of=VISITS, by=[field("page")], measures={"visits": count()})])


class Bucket:
    """A bucket that does not respond now and then."""

    def __init__(self, chance: Random, fails: float) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self._chance, self._fails = chance, fails

    def put_object(self, *, Key: str, Body: bytes, **_options: Any) -> None:  # noqa: N803 - boto3's names
        self.puts += 1
        if self._chance.random() < self._fails:
            raise client_error("PutObject", "SlowDown", status=503)
        self.objects[Key] = Body

    def get_object(self, *, Key: str, **_options: Any) -> Any:  # noqa: N803
        return {"Body": io.BytesIO(self.objects[Key])}

    def list_objects_v2(self, **_options: Any) -> Any:
        return {"Contents": [{"Key": key} for key in sorted(self.objects)]}


def expiries(first: int, last: int) -> RawBatch:
    """Return a batch of deletions, every third one by a person."""
    made = [record(n, "visits", (str(n), {"page": str(n)}, None), expired=n % 3 > 0) for n in range(first, last + 1)]
    return parse_raw_batch(event(made))


def ids(images: ExpiredImages) -> list[int]:
    return sorted(int(one.id) for one in images.read("visits", lambda _shard, _sequence: True))


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_kept_in_whatever_parts_it_comes(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - not a secret
    bucket: Any = Bucket(chance, fails=0.005)
    processes = [ExpiredImages(lambda: bucket, "history") for _ in range(2)]
    first, last = 1, 400
    for _ in range(1000):
        part = expiries(first, chance.randint(first, last))
        try:
            chance.choice(processes).keep(part, PIPELINE)
        except Transient:
            continue
        first = part.positions[-1].sequence + chance.choice((0, 1))  # finished changes may be redelivered
        if first > last:
            break
    assert ids(processes[0]) == [n for n in range(1, 401) if n % 3]


def test_a_redelivery_goes_on_where_the_time_was_up() -> None:
    bucket: Any = Bucket(Random(1), fails=0)  # noqa: S311 - not a secret
    images = ExpiredImages(lambda: bucket, "history")
    batch = expiries(1, 600)
    for _ in range(7):
        most = bucket.puts + 150
        try:
            images.keep(batch, PIPELINE, lambda most=most: bucket.puts < most)  # type: ignore[misc]
        except Transient:
            continue
        break
    assert ids(images) == [n for n in range(1, 601) if n % 3]
    before = bucket.puts
    images.keep(batch, PIPELINE)
    assert bucket.puts == before
