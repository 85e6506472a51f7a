"""What must be true once everything has settled, whatever happened before."""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

from tailrace.aws.aggregates.order_state import stored_order
from tailrace.aws.backfill.control import CONTROL
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import value_rows_key
from tests.simulation.definition import DISTINCT, FULL, Key, has_uncountable_line, is_large, prepared
from tests.simulation.recount import recount
from tests.simulation.world.functions import ROUTE_QUEUE, TABLE
from tests.simulation.world.steps import History
from tests.simulation.world.stream import ItemChange
from tests.simulation.world.world import NotFinished, World

_LANE_ATTRIBUTES = ("~n", "n", "sum")


def find_violations(history: History) -> list[str]:
    """Play a history to its end and return all violations of the invariants."""
    world = World(history)
    try:
        for step in history.steps:
            world.play(step)
        world.finish()
    except NotFinished as error:
        return [*world.functions.raised[:1], str(error)]
    return [
        *world.functions.raised[:1],
        *find_wrong_rows(world),
        *find_wrong_candidates(world),
        *find_misplaced_expiry(world),
        *(find_lost_changes(world) if "fanout" in history.readers else ()),
    ]


def find_wrong_rows(world: World) -> Iterator[str]:
    """Compare the aggregates with a recount of the remaining items and of expired ones that stay counted."""
    kept = [(w.collection, w.old) for w in world.items.log if w.expired and w.collection == "visits" and w.old]
    expected = recount([*world.items.remaining_items, *kept])
    found = stored(world)
    for key in sorted(expected.keys() | found.keys()):
        row = found.get(key, {})
        if key in expected:
            if row != expected[key]:
                yield f"{key}: expected {_shown(expected[key])}, found {_shown(row)}"
        elif any(
            isinstance(value, int | Decimal) and value and name != "expires_at" and not isinstance(value, bool)
            for name, value in row.items()
        ):
            yield f"{key}: expected an empty row, found {_shown(row)}"


def stored(world: World) -> dict[Key, Item]:
    """Return the rows of the aggregates table, with lanes summed, without marks and the time of the last write.

    Includes the lists of groups, but no other rows of the engine, and not the rows of the shop whose sums overflow.
    """
    rows: dict[Key, Item] = {}
    for image in world.functions.database.rows(TABLE):
        row = decode_item(image)
        key = row.pop("pk"), row.pop("sk")
        if not key[0].startswith("~groups#") and (row.get("shop") == FULL or key[0].startswith("~")):
            continue
        seen = {name: value for name, value in row.items() if name == "~n" or not name.startswith(("~", "updated_at"))}
        seen = {name: value for name, value in seen.items() if value or name not in DISTINCT}
        if key[0].startswith("large@") and not any(seen[name] for name in _LANE_ATTRIBUTES):
            continue  # this lane is about to expire, the others are not
        if key[0].startswith("large@"):
            key = key[0], key[1].rpartition("#")[0]
            with localcontext(prec=200):
                seen |= {name: seen[name] + rows.get(key, {}).get(name, 0) for name in _LANE_ATTRIBUTES}
        rows[key] = seen
    return rows


def find_wrong_candidates(world: World) -> Iterator[str]:
    """Find main rows whose candidates for the most frequent values are not what their value rows say."""
    rows = {(row["pk"], row["sk"]): row for row in map(decode_item, world.functions.database.rows(TABLE))}
    aggregate = world.pipeline.aggregate("pages")
    for key, row in rows.items():
        if key[0].startswith("pages@"):
            for name, frequent in stored_order(aggregate, row).frequent.items():
                below = [one for one in rows.values() if one["pk"] == value_rows_key(key, name) and one["~n"] > 0]
                if frequent.wrong(ValueCount((one["value"],), one["~n"]) for one in below):
                    yield f"{key}: its candidates are {frequent}, its values {below}"


def find_misplaced_expiry(world: World) -> Iterator[str]:
    """Find empty rows that will never expire, and lanes that expire with their contents."""
    for image in world.functions.database.rows(TABLE):
        row = decode_item(image)
        if row["pk"] == CONTROL:
            continue
        if not any(row.get(name) for name in _LANE_ATTRIBUTES) and "expires_at" not in row:
            yield f"{row['pk']} {row['sk']}: empty, but never expires"
        if row["pk"].startswith("large@") and any(row[name] for name in _LANE_ATTRIBUTES) and "expires_at" in row:
            yield f"{row['pk']} {row['sk']}: not empty, but expires"


def find_lost_changes(world: World) -> Iterator[str]:
    """Find changes that are missing or wrong in the archive, the route's queue or quarantine."""
    objects = world.functions.bucket.objects
    lines = [gzip.decompress(body).decode() for key, body in objects.items() if key.startswith("archive/")]
    archived = _events([line for text in lines for line in text.splitlines()])
    routed = _events(world.functions.queues.messages[ROUTE_QUEUE])
    quarantined = {
        json.loads(body)["origin"]["event"] for key, body in objects.items() if key.startswith("quarantine/")
    }
    for written in world.items.log:
        old, new = prepared(written.collection, written.old), prepared(written.collection, written.new)
        event = archived.get(written.event_id)
        if (old is None and new is None) != (event is None):
            yield f"{written}: archived as {event}"
        elif event is not None and (event["data"]["old"], event["data"]["new"]) != (old, new):
            yield f"{written}: archived as {event['data']}"
        large = any(item is not None and written.collection == "orders" and is_large(item) for item in (old, new))
        if large != (written.event_id in routed):
            yield f"{written}: routed {written.event_id in routed}"
        if _is_rejected(written, new) != (written.event_id in quarantined):
            yield f"{written}: quarantined {written.event_id in quarantined}"


def _is_rejected(written: ItemChange, new: Item | None) -> bool:
    if written.collection == "Bad":
        return True  # not the key of an item: the record is rejected, whatever it contains
    if written.new is None:
        return False
    return new is None or new.get("placed") == "soon" or new.get("ms") == "slow" or has_uncountable_line(new)


def _events(messages: list[str]) -> dict[str, Any]:
    found = [json.loads(message, parse_float=Decimal) for message in messages]
    events = [event for part in found for event in (part if isinstance(part, list) else [part])]
    return {event["id"]: event for event in events}


def _shown(row: Item) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(row.items())) or "nothing"
