"""Items of an existing table that expire by a time in their key, in a TTL attribute of its own name."""

from tailrace import Aggregate, Collection, Pipeline, count, day, days, field

_SCHEMA = {"properties": {"id": {"type": "string"}, "amount": {"type": "number"}, "expires_at": {"type": "string"}}}

orders = Collection(
    "orders",
    schema=_SCHEMA,
    key={"shop": "SHOP#{shop}", "order": "{placed}#{id}"},
    match={"kind": "order"},
    ttl="ends",
    keep=days(30),
    keep_from="placed",
    received="came",
    on_expiry="keep",
)
visits = Collection("visits", schema={}, key={"shop": "VISITOR#{visitor}", "order": "{id}"}, ttl="ends")

pipeline = Pipeline(
    [orders, visits],
    [Aggregate("shop_days", of=orders, by=[field("shop"), day("placed")], measures={"orders": count()})],
)
