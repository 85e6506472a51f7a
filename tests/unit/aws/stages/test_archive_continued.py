"""archive: a message that refers to more data than one invocation can read is continued when it is redelivered."""

import gzip
from itertools import chain, repeat
from typing import Any

import pytest

from tailrace.aws.stages import archive as archiving
from tailrace.aws.stages.archive import Archiver
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.outputs.envelopes import EventText
from tailrace.outputs.packing import claim_check
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.stages.archive_messages import batch
from tests.unit.outputs.events import event

AGAIN = {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_a_message_that_refers_to_more_than_there_is_time_for_is_continued_when_it_comes_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, it began with the first reference each time, until it was dead-lettered."""
    monkeypatch.setattr(archiving, "_THREADS", 2)
    events, lights = [event(number, new={"text": "x" * 300_000}) for number in range(7)], []
    for number, one in enumerate(events):
        one["data"] = events[number % 2]["data"]  # equal data is stored once, for several events
        attributes = {name: value for name, value in one.items() if name != "data"}
        stored, light = claim_check(EventText(dumps(attributes)[:-1], dumps(one["data"])), "the-failures")
        cloud.s3.put_object(Bucket="the-failures", Key=stored.key, Body=stored.body)
        lights.append(light)
    message = batch(f"[{','.join(lights)}]")
    archiver = Archiver(cloud.s3, "the-archive", "the-failures")
    outcomes = []
    for _ in range(4):
        left = chain([100_000, 100_000], repeat(40_000))  # for the message, for two references, and for no more
        outcomes.append(archiver(message, lambda left=left: next(left)))  # type: ignore[misc]
    assert outcomes == [AGAIN] * 3 + [{"batchItemFailures": []}]
    (found,) = found_events(cloud).values()
    assert sorted(map(dumps, found)) == sorted(map(dumps, events))
    assert archiver.written == {}


def found_events(cloud: Cloud) -> dict[str, list[Any]]:
    """Return the events of all objects, by folder."""
    found: dict[str, list[Any]] = {}
    for key, body in cloud.objects("the-archive", "archive/").items():
        lines = gzip.decompress(body).splitlines()
        found.setdefault(key.rpartition("/")[0], []).extend(map(loads, lines))
    return found
