"""Events as fanout sends them."""

from typing import Any

from tailrace.encoding.tagged_json import dumps, loads
from tailrace.outputs.envelopes import envelope


def event(sequence: int, **changes: Any) -> dict[str, Any]:
    """Return an event as sent by fanout; ``changes`` override ``new``, ``shard`` and attributes of the envelope."""
    data = {name: changes.pop(name) for name in ("shard",) if name in changes}
    made = envelope(
        event_id=f"e{sequence}",
        source="stream",
        collection="orders",
        subject=str(sequence),
        time="2024-10-27T00:30:00Z",
        kind="inserted",
        old="null",
        new=dumps(changes.pop("new", {"n": sequence})),
        shard="s1",
        sequence=sequence,
    )
    whole = loads(made.text)
    return {**whole, "data": whole["data"] | data, **changes}
