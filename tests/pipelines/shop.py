"""A shop's single-table design: customers, orders and their lines in one partition, told apart by the sort key."""

from tailrace import Aggregate, Collection, Pipeline, count, day, distinct, field, maximum, total

_CUSTOMER = "CUSTOMER#{customer}"

customers = Collection("customers", schema={"required": ["email"]}, key={"PK": _CUSTOMER, "SK": "PROFILE"})
orders = Collection(
    "orders",
    schema={"required": ["placed", "status"], "properties": {"amount": {"type": "number"}}},
    key={"PK": _CUSTOMER, "SK": "ORDER#{order}"},
)
lines = Collection("lines", schema={}, key={"PK": _CUSTOMER, "SK": "ORDER#{order}#LINE#{line}"})

pipeline = Pipeline(
    collections=[customers, orders, lines],
    aggregates=[
        Aggregate(
            "customer_orders",
            of=orders,
            by=[field("customer")],
            measures={"orders": count(), "amount": total("amount"), "largest": maximum("amount")},
        ),
        Aggregate("status_days", of=orders, by=[field("status"), day("placed")], measures={"orders": count()}),
        Aggregate(
            "products", of=lines, by=[field("product")], measures={"units": total("units"), "orders": distinct("order")}
        ),
    ],
)
