"""The routes of a build, and the queues that earlier deployments left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.deployment.deploy import require_no_leftovers, routes_of
from local.errors import DeployFailed
from tests.architecture.stack import ROOT

DEFINITION = """
import sys
from tailrace import Collection, Pipeline, Route

print("a definition may print")
sys.stderr.write("and warn")
things = Collection("things", schema={})
pipeline = Pipeline([things], routes=[Route(name, of=things, when=bool) for name in ("alerts", "late-flights")])
without = Pipeline([things])
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a build of a definition of its own."""
    python = tmp_path / "layers" / "TailraceLayer" / "python"
    python.mkdir(parents=True)
    (python / "tailrace").symlink_to(ROOT / "layers" / "tailrace" / "tailrace")
    (python / "mine.py").write_text(DEFINITION)
    return tmp_path


def test_a_build_has_the_routes_of_its_definition(built: Path) -> None:
    assert routes_of(built, "mine:pipeline") == "Alerts,LateFlights"
    assert routes_of(built, "mine:without") == "None"


def test_a_definition_that_cannot_be_imported_is_one_sentence(built: Path) -> None:
    with pytest.raises(DeployFailed, match=r"^The definition cannot be imported: .*no attribute 'nothing'$"):
        routes_of(built, "mine:nothing")


@pytest.fixture
def sqs(aws_env: None) -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sqs")


@pytest.mark.parametrize("name", ["tailrace_Alerts", "tailrace_Alerts-dead"])
def test_messages_of_an_earlier_route_are_not_overwritten(sqs: Any, name: str) -> None:
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    require_no_leftovers(sqs, "tailrace", "Alerts,Others", {})
    sqs.send_message(QueueUrl=url, MessageBody="unread")
    with pytest.raises(DeployFailed, match=f"The queue {name} still holds 1 message"):
        require_no_leftovers(sqs, "tailrace", "Alerts,Others", {})
    sqs.receive_message(QueueUrl=url)
    with pytest.raises(DeployFailed, match="still holds 1 message"):
        require_no_leftovers(sqs, "tailrace", "Alerts,Others", {})
    # the route was there before, or another one begins alike
    require_no_leftovers(sqs, "tailrace", "Alerts,Others", {"AlertsQueue": url})
    require_no_leftovers(sqs, "tailrace", "Alert,None", {})
