"""Rows that jobs have built, compared with a count of the items by hand."""

from collections.abc import Iterator
from typing import Any

from tailrace.aws.backfill.control import Control
from tailrace.backfill.generations import Generation, GenerationId
from tailrace.encoding.dynamodb import decode_item
from tests.simulation.jobs.kept import has_ended, recount
from tests.simulation.jobs.world import World

_COMPARED = ("~n", "~c", "orders", "revenue", "sum", "ms", "most", "sizes", "stores", "p50", "p90")


def id_of(pk: str, control: Control) -> GenerationId | None:
    """Return the generation that a partition of the aggregates table belongs to."""
    for generation in control.generations.values():
        if _owns(generation, pk):
            return generation.id
    return None


def _owns(generation: Generation, pk: str) -> bool:
    text = pk.partition("#")[2] if pk.startswith("~") else pk
    epoch = f"~{generation.epoch}" if generation.epoch else ""
    return text.partition("#")[0] == f"{generation.aggregate}@{generation.version}{epoch}"


def differences(world: World, generation: Generation, ended_at: float) -> Iterator[str]:
    """Yield how a generation's rows differ from a count of the items by hand, without those that end by then."""
    aggregate = world.code.ids.get(generation.id)
    if aggregate is None:
        return
    items = [*world.items(), *(("visits", "", one) for one in expired_items(world))]
    expected = {key: row for key, row in recount(aggregate, items).items() if any(row.values())}
    epoch = f"~{generation.epoch}" if generation.epoch else ""
    name, full = f"{aggregate.name}@{aggregate.version}", f"{aggregate.name}@{aggregate.version}{epoch}"
    stored: dict[tuple[str, str], dict[str, Any]] = {}
    for row in map(decode_item, world.database.rows("aggregates")):
        pk, sk = row["pk"], row["sk"]
        if not _owns(generation, pk):
            continue
        key = pk.replace(full, name, 1), sk.rpartition("#")[0] or "-" if aggregate.lanes > 1 and pk[0] != "~" else sk
        counters: dict[str, Any] = {one: row[one] for one in _COMPARED if one in row}
        before = stored.get(key)
        summed: dict[str, Any] = {one: value + (before or {}).get(one, 0) for one, value in counters.items()}
        stored[key] = summed
    for key in sorted(key for key in expected.keys() | stored.keys() if not has_ended(aggregate, key, ended_at)):
        have = {one: value for one, value in stored.get(key, {}).items() if value}
        want = {one: value for one, value in expected.get(key, {}).items() if value}
        if have.get("~n", 0) == want.get("~n", 0) == 0:
            have = {one: value for one, value in have.items() if one != "most"}
        if have != want:
            yield f"{full} {key}: {have} where {want} is right"


def expired_items(world: World) -> Iterator[dict[str, Any]]:
    """Yield the visits that expired: they stay counted."""
    for shard in world.shards:
        for record in shard.records:
            if "userIdentity" in record:
                fields = decode_item(record["dynamodb"]["OldImage"])
                fields.pop("pk")
                yield fields
