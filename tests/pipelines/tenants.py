"""A service with tenants: users, invoices and sessions; sessions end by TTL and stay counted."""

from tailrace import Aggregate, Collection, Pipeline, count, field, total

_KEY = {"pk": "TENANT|{tenant}", "sk": "{sk+}"}

users = Collection("users", schema={}, key=_KEY, match={"entity": "User", "active": True}, ttl="ttl")
invoices = Collection("invoices", schema={}, key=_KEY, match={"entity": "Invoice"}, ttl="ttl")
sessions = Collection("sessions", schema={}, key=_KEY, match={"entity": "Session"}, ttl="ttl", on_expiry="keep")

pipeline = Pipeline(
    collections=[users, invoices, sessions],
    aggregates=[
        Aggregate("plans", of=users, by=[field("tenant"), field("plan")], measures={"users": count()}),
        Aggregate("revenue", of=invoices, by=[field("tenant")], measures={"amount": total("amount")}),
        Aggregate("sessions", of=sessions, by=[field("tenant")], measures={"sessions": count()}),
    ],
)
