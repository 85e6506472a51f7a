"""A hand-written handler: boto3's deserializer, jsonschema, one UpdateItem per image and aggregate.

It retracts the old image and adds the new one, so it is correct as long as every change is delivered once. As the
baseline of Tailrace's handler it is reasonably fast: clients are created once, and the schema is compiled.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from jsonschema import Draft202012Validator

from pipeline.definition import flights
from pipeline.transforms import has_departed, has_landed, is_cancelled, normalise

type Json = dict[str, Any]

_NEW_YORK = ZoneInfo("America/New_York")
_READ, _BODY_KEY = TypeDeserializer().deserialize, TypeSerializer().serialize
_VALIDATOR = Draft202012Validator(flights.compiled.document)


def handler(event: Mapping[str, Any], client: Any) -> int:
    """Update three aggregates for each record; return the number of calls."""
    calls = 0
    for record in event["Records"]:
        for image, sign in (("OldImage", -1), ("NewImage", 1)):
            if image not in record["dynamodb"]:
                continue
            item = {name: _READ(value) for name, value in record["dynamodb"][image].items() if name != "pk"}
            if not _VALIDATOR.is_valid({name: _plain_value(value) for name, value in item.items()}):
                continue
            flight = normalise(item)
            for key, measures in _rows(flight):
                _add(client, key, {name: sign * value for name, value in measures.items()})
                calls += 1
    return calls


def _plain_value(value: Any) -> Any:
    # jsonschema does not accept a Decimal as an integer
    return value if isinstance(value, str) else int(value)


def _rows(flight: Json) -> list[tuple[tuple[str, str], dict[str, Any]]]:
    local = datetime.fromisoformat(flight["scheduled_departure"]).astimezone(_NEW_YORK)
    departed, landed = has_departed(flight), has_landed(flight)
    delay = flight.get("departure_delay", 0) if departed else 0
    punctuality = {
        "flights": 1,
        "departures": int(departed),
        "cancellations": int(is_cancelled(flight)),
        "departure_delay_total": delay,
        "departure_delay_count": int(departed),
        "departure_delay_squares": delay * delay,
    }
    traffic = {
        "landings": int(landed),
        "miles": flight["distance"] if landed else 0,
        "air_minutes": flight.get("air_time", 0),
        "arrival_delay_total": flight.get("arrival_delay", 0),
        "arrival_delay_count": int("arrival_delay" in flight),
    }
    hour = local.replace(minute=0).isoformat(timespec="minutes")
    return [
        ((f"carrier_hours#{flight['carrier']}", hour), punctuality),
        ((f"origin_days#{flight['origin']}", local.date().isoformat()), punctuality),
        ((f"route_months#{flight['route']}", local.date().isoformat()[:7]), punctuality | traffic),
    ]


def _add(client: Any, key: tuple[str, str], measures: dict[str, Any]) -> None:
    client.update_item(
        TableName="aggregates",
        Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}},
        UpdateExpression="ADD " + ", ".join(f"#{number} :{number}" for number in range(len(measures))),
        ExpressionAttributeNames={f"#{number}": name for number, name in enumerate(measures)},
        ExpressionAttributeValues={f":{number}": _BODY_KEY(value) for number, value in enumerate(measures.values())},
    )
