"""A large file on the emulated stack, with kill -9 in between.

``python -m benchmarks.stages.bulk [MB [KILLS [LINE_BYTES]]]`` drops a file of flights into the inbox, kills the load
function's processes at random moments, waits for the receipt, and compares it and every item with the file. Lines are
filled up with spaces to LINE_BYTES. The stream's readers are stopped: their backlog is not what is measured. What
Lambda gives up after three attempts is invoked again, as an operator would with `tailrace redrive async`.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console

from benchmarks.stages.processes import function_processes
from local.stack import Stack, running_stack

KEY = "inbox/flights/bulk.jsonl"
IDS = 20_000
DELAYS = 19_999
PART_BYTES = 32 * 1024 * 1024
BAD_EVERY = 1_003


class Cloud(Protocol):
    """Where a stack runs."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs."""

    def client(self, service: str) -> Any:
        """Return a client of a service."""


def lines(size: int, width: int, ids: int) -> Iterator[tuple[str, int | None, bytes]]:
    """Yield lines of ``size`` bytes in total: id, delay (None if the line is invalid), and the line."""
    written = number = 0
    while written < size:
        number += 1
        item = number * 7919 % ids
        delay: int | None = number % DELAYS - 9_999
        fields: dict[str, Any] = {
            "id": f"2013-01-01.UA.{item}",
            "carrier": "UA",
            "flight": item % 10_000,
            "tailnum": f"N{item % 10_000}",
            "origin": "EWR",
            "dest": "SFO",
            "distance": 2565,
            "scheduled_departure": "2013-01-01T06:00:00-05:00",
            "sched_arr_time": 803,
            "status": "departed",
            "dep_time": 600 + number % 60,
            "dep_delay": delay,
        }
        if number % BAD_EVERY == 0:
            fields["distance"], delay = -1, None
        line = json.dumps(fields).ljust(width - 1).encode() + b"\n"
        written += len(line)
        yield str(fields["id"]), delay, line


@dataclass(slots=True)
class Expected:
    """What the file says."""

    accepted: int = 0
    rejected: int = 0
    size: int = 0
    delays: dict[str, int] = field(default_factory=dict)


def upload(stack: Cloud, size: int, width: int, ids: int = IDS) -> Expected:
    """Upload the file in parts."""
    s3, bucket, expected = stack.client("s3"), stack.outputs["ArchiveBucket"], Expected()
    place = {"Bucket": bucket, "Key": KEY}
    whole = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    parts: list[dict[str, Any]] = []
    part = bytearray()

    def send() -> None:
        number = len(parts) + 1
        tag = s3.upload_part(**whole, PartNumber=number, Body=bytes(part))["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
        part.clear()

    for item, delay, line in lines(size, width, ids):
        expected.size += len(line)
        if delay is None:
            expected.rejected += 1
        else:
            expected.accepted += 1
            expected.delays[item] = delay
        part += line
        if len(part) >= PART_BYTES:
            send()
    if part:
        send()
    s3.complete_multipart_upload(**whole, MultipartUpload={"Parts": parts})
    return expected


def processes(endpoint: str) -> dict[int, int]:
    """Return the running processes of the load function of the stack at ``endpoint``, each with its memory in KiB."""
    port = f" --port {endpoint.rpartition(':')[2]} "
    found = function_processes(lambda _, command: port in command and " local.emulation.app:app " in command)
    return {pid: process.kib for pid, process in found.items() if process.function == "load"}


def stored(stack: Cloud, folder: str) -> dict[str, Any] | None:
    """Return the file's receipt or checkpoint, if there is one."""
    s3 = stack.client("s3")
    with suppress(s3.exceptions.NoSuchKey):
        key = KEY.replace("inbox", folder) + ".json"
        found: dict[str, Any] = json.loads(s3.get_object(Bucket=stack.outputs["ArchiveBucket"], Key=key)["Body"].read())
        return found
    return None


def put_back(stack: Stack) -> int:
    """Invoke the function with the events that Lambda gave up; return how many there were."""
    sqs, queue, count = stack.client("sqs"), stack.outputs["AsyncFailuresQueue"], 0
    for message in sqs.receive_message(QueueUrl=queue).get("Messages", ()):
        payload = json.dumps(json.loads(message["Body"])["requestPayload"])
        name = stack.resources["LoadFunction"]
        stack.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        count += 1
    return count


@dataclass(slots=True)
class Course:
    """How a load went: kills, events that Lambda gave up, and the most memory of a process in KiB."""

    killed: int = 0
    given_up: int = 0
    peak: int = 0


def follow(stack: Stack, kills: int, pauses_s: tuple[float, float], seed: int = 0) -> tuple[dict[str, Any], Course]:
    """Kill the function's processes now and then until there is a receipt; return it."""
    chance, course = random.Random(seed), Course()  # noqa: S311 - moments
    next_kill = time.monotonic() + chance.uniform(*pauses_s)
    while (found := stored(stack, "receipts")) is None:
        running = processes(stack.endpoint)
        course.peak = max(course.peak, *running.values(), 0)
        if course.killed < kills and running and time.monotonic() > next_kill:
            for pid in running:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            course.killed += 1
            next_kill = time.monotonic() + chance.uniform(*pauses_s)
        course.given_up += put_back(stack)
        time.sleep(0.2)
        stack.emulator.raise_if_gone()
    return found, course


def differences(stack: Cloud, expected: Expected, found: dict[str, Any]) -> list[str]:
    """Compare the receipt and the items with the file."""
    wrong_counts = [name for name in ("accepted", "rejected") if found[name] != getattr(expected, name)]
    items: dict[str, int] = {}
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["ItemsTable"]):
        for row in page["Items"]:
            if row["pk"]["S"].startswith("flights#2013-01-01.UA."):
                items[row["pk"]["S"].removeprefix("flights#")] = int(row["dep_delay"]["N"])
    wrong = [item for item in expected.delays.keys() | items.keys() if expected.delays.get(item) != items.get(item)]
    return [*wrong_counts, *wrong, *(["failure"] if "failure" in found else [])]


def main(megabytes: int = 64, kills: int = 10, width: int = 0) -> int:
    """Load a file and report the result."""
    say = Console(highlight=False, soft_wrap=True).print
    with running_stack(progress=say) as stack:
        stack.pollers.stop()
        expected = upload(stack, megabytes * 1_000_000, width)
        say(f"{expected.size:,} bytes, {expected.accepted + expected.rejected:,} lines")
        began = time.monotonic()
        # long lines are loaded at 8 MB/s: all kills come before the end
        found, course = follow(stack, kills, (2.0, max(4.0, megabytes / 8 / (kills + 1))))
        took = time.monotonic() - began
        wrong = differences(stack, expected, found)
    say(json.dumps({name: value for name, value in found.items() if name != "errors"}, indent=1))
    say(f"{took:.0f} s, {expected.size / took / 1e6:.2f} MB/s, largest process {course.peak / 1024:.0f} MiB")
    say(f"killed {course.killed} times, given up {course.given_up} times, differences: {wrong[:5] or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
