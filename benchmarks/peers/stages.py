"""Handwritten stages: boto3's deserializer or resource, jsonschema, json; clients and schema are created once.

They do what a tutorial does: no claim checks, no retries of parts of a call, no quarantine, decimals as text.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from jsonschema import Draft202012Validator

from pipeline.definition import flights
from pipeline.transforms import is_disrupted, normalise

type Json = dict[str, Any]

_READ = TypeDeserializer().deserialize
_VALIDATOR = Draft202012Validator(flights.compiled.document)
_ENTRIES = 10


def fan_out(event: Mapping[str, Any], sqs: Any, archive: str, disruptions: str) -> None:
    """Send each change to the archive's queue, and disrupted flights to a queue of their own."""
    archived, disrupted = [], []
    for record in event["Records"]:
        images = record["dynamodb"]
        old, new = flight(images.get("OldImage")), flight(images.get("NewImage"))
        if old is None and new is None:
            continue
        body = json.dumps({"id": record["eventID"], "old": old, "new": new}, default=str)
        archived.append(body)
        if any(flight is not None and is_disrupted(flight) for flight in (old, new)):
            disrupted.append(body)
    for queue, bodies in ((archive, archived), (disruptions, disrupted)):
        for part in _parts(bodies):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(part)]
            sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def flight(image: Json | None) -> Json | None:
    """Return the flight in an image of a change, validated and transformed; None if it is absent or invalid."""
    if image is None:
        return None
    item = {name: _whole(_READ(value)) for name, value in image.items() if name != "pk"}
    return normalise(item) if _VALIDATOR.is_valid(item) else None


def _whole(value: Any) -> Any:
    # jsonschema does not accept a Decimal as an integer
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _parts(bodies: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(bodies), _ENTRIES):
        yield bodies[start : start + _ENTRIES]


def archive(event: Mapping[str, Any], s3: Any) -> None:
    """Write the events of a batch of messages as one object per hour."""
    hours: defaultdict[str, list[Json]] = defaultdict(list)
    for message in event["Records"]:
        for one in json.loads(message["body"]):
            hours[one["time"][:13]].append(one)
    for hour, events in hours.items():
        lines = "".join(json.dumps(one) + "\n" for one in events)
        s3.put_object(Bucket="archive", Key=f"{hour}/{events[0]['id']}.jsonl.gz", Body=gzip.compress(lines.encode()))


def load(lines: Sequence[bytes], table: Any) -> None:
    """Put each line of a file into the table."""
    with table.batch_writer() as batch:
        for line in lines:
            item = json.loads(line, parse_float=Decimal)
            item_id = item.pop("id")
            if _VALIDATOR.is_valid(item):
                batch.put_item(Item={"pk": f"flights#{item_id}", **item})


def ingest(event: Mapping[str, Any], table: Any) -> None:
    """Put the item of each message into the table."""
    for record in event["Records"]:
        message = json.loads(record["body"], parse_float=Decimal)
        if _VALIDATOR.is_valid(message["item"]):
            table.put_item(Item={"pk": f"{message['collection']}#{message['id']}", **message["item"]})
