"""The demo on the emulator: everything that is fed arrives everywhere, and a wrong row is detected."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from copy import replace
from pathlib import Path

import pytest

from local.demo.display import Display
from local.demo.feed import FeedResult
from local.demo.flights import COLUMNS, read_flights
from local.demo.recompute import Recompute
from local.demo.run import DemoInput, feed_and_check
from local.demo.verify import Verdict, verify
from local.deployment.emulator import ROOT
from local.mapping import DiscardedRecords, StreamRecord, StreamSettings
from local.pollers.destinations import FailureDestination
from local.stack import Stack, running_stack
from pipeline.definition import pipeline
from tests.simulation.world.steps import READERS, Reader
from tests.simulation.world.template_settings import template_settings

ROW = (
    "2013,{month},{day},{hour}17,{hour}15,2,830,819,11,{carrier},{number},N14228,{origin},IAH,227,1400,{hour},15,{utc}"
)
NIGHTS = [
    # around both clock changes: no flight departs in the skipped hour, but two do in the repeated one
    ("3", "9", "23", "2013-03-10T04:00:00Z"),
    ("3", "10", "1", "2013-03-10T06:00:00Z"),
    ("3", "10", "3", "2013-03-10T07:00:00Z"),
    ("11", "2", "23", "2013-11-03T03:00:00Z"),
    ("11", "3", "1", "2013-11-03T05:00:00Z"),
    ("11", "3", "1", "2013-11-03T06:00:00Z"),
    ("11", "3", "2", "2013-11-03T07:00:00Z"),
]


def nights(folder: Path) -> Path:
    """Write a file in the package's format: flights around both clock changes, one cancelled, one lost."""
    rows = [
        ROW.format(month=month, day=day, hour=hour, utc=utc, carrier=carrier, number=10 * place + number, origin=origin)
        for place, (month, day, hour, utc) in enumerate(NIGHTS)
        for number, (carrier, origin) in enumerate([("UA", "EWR"), ("UA", "JFK"), ("9E", "LGA")])
    ]
    rows[3] = rows[3].replace(",117,115,2,830,819,11,", ",NA,115,NA,NA,819,NA,").replace(",227,", ",NA,")
    rows[5] = rows[5].replace(",2,830,819,11,", ",2,830,819,NA,").replace(",227,", ",NA,")
    rows[8] = rows[8].replace(",2,830,819,11,", ",2,NA,819,NA,").replace(",227,", ",NA,")
    path = folder / "nights.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows, "not,a,flight"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack(shards=2) as running:
        yield running


@pytest.fixture(scope="module")
def outcome(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FeedResult, Verdict]:
    path = nights(tmp_path_factory.mktemp("feed"))
    source = read_flights(path)
    document, verdict, _ = feed_and_check(stack, DemoInput(source, source.flights, None), pipeline, Display())
    return path, document, verdict


def test_nothing_drifts_across_both_clock_changes(outcome: tuple[Path, FeedResult, Verdict]) -> None:
    _, document, verdict = outcome
    assert verdict.differences == []
    # 21 flights are scheduled, 20 depart, 19 land, one is cancelled
    assert document.changes == 21 + 20 + 19 + 1
    assert verdict.events == document.changes
    assert verdict.quarantined == 3 * 4


def test_a_wrong_row_is_detected(stack: Stack, outcome: tuple[Path, FeedResult, Verdict]) -> None:
    path, document, _ = outcome
    key = {"pk": {"S": "origin_days@1#JFK"}, "sk": {"S": "2013-11-03"}}
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["AggregatesTable"],
        Key=key,
        UpdateExpression="ADD departures :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    with Recompute(path, None) as expected:
        differences = verify(stack, expected, document, pipeline).differences
    # the first check has hidden the disruptions' messages for a while
    (difference,) = (one for one in differences if not one.where.startswith("disruptions"))
    assert difference.where == "origin_days@1#JFK 2013-11-03"
    assert difference.found["departures"] == difference.expected["departures"] + 1


@pytest.mark.parametrize("reader", READERS)
def test_the_pollers_use_the_settings_of_the_template(stack: Stack, reader: Reader) -> None:
    (mapping,) = (one for one in stack.pollers.mappings if one.function.endswith(f"-{reader}"))
    found, expected = StreamSettings.parse(mapping.properties), template_settings(reader)
    bucket = f"arn:aws:s3:::{stack.outputs['FailuresBucket']}"
    assert found == replace(expected, on_failure=bucket)


def test_a_discarded_batch_lands_in_the_failures_bucket(stack: Stack) -> None:
    bucket = stack.outputs["FailuresBucket"]
    for mapping in (one for one in stack.pollers.mappings if one.is_stream):
        settings = StreamSettings.parse(mapping.properties)
        record: StreamRecord[bytes] = StreamRecord("1", 0, 9, b'{"n": 1}')
        given_up = DiscardedRecords("RetryAttemptsExhausted", (record,), "shardId-1", mapping.source_arn)
        FailureDestination(mapping, settings.on_failure, stack.client).send(given_up, 0)
        prefix = f"aws/lambda/{mapping.uuid}/shardId-1/1970/01/01/"
        (entry,) = stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        kept = json.loads(stack.client("s3").get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
        assert kept["requestContext"]["functionArn"].endswith(f":{mapping.function}")
        assert json.loads(kept["payload"]) == {"Records": [{"n": 1}]}


def test_the_command_exits_with_status_0_and_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.demo"]
    variables = os.environ | {
        "ONCE": "1",
        "FEED": str(nights(tmp_path)),
        "SHARDS": "3",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "drift 0" in done.stdout
    assert "Dashboard: http://127.0.0.1:" in done.stdout
    assert "1 invalid rows skipped (line 23: 3 fields instead of 19)" in done.stdout
