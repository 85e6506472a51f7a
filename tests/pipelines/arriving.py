"""Items that expire by a field of theirs, and are stamped when they come in; ids are made from fields."""

from tailrace import Aggregate, Collection, Pipeline, count, day, days, field

SCHEMA = {
    "type": "object",
    "required": ["shop", "number"],
    "properties": {
        "shop": {"type": "string"},
        "number": {"type": "integer"},
        "placed": {"type": ["integer", "string", "null"]},
        "received_at": {"type": "string"},
        "paid": {"type": "boolean"},
    },
    "additionalProperties": False,
}

orders = Collection(
    "orders",
    schema=SCHEMA,
    id_from=("shop", "number"),
    keep=days(30),
    keep_from="placed",
    keep_unit="ms",
    keep_tz="Europe/Berlin",
    received="received_at",
)
visits = Collection("visits", schema={"type": "object"}, keep=days(1), keep_from="at", received="at")

pipeline = Pipeline(
    [orders, visits],
    [
        Aggregate("shops", of=orders, by=[field("shop")], measures={"n": count()}),
        Aggregate("days", of=visits, by=[day("at")], measures={"n": count()}),
    ],
)
