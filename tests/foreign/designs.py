"""Three single-table designs: what other programs write to each, and what its aggregates have to be.

A shop, a service with tenants and a fleet of devices, as public descriptions of single-table design have them; their
definitions are in `tests/pipelines`. The recomputes share no code with the engine.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

type Row = dict[str, Any]
type Rows = dict[tuple[str, str], Row]

EXPIRED = int(time.time()) - 3600
"""An hour ago: TTL deletes nothing that expired more than five years ago."""


@dataclass(frozen=True)
class Design:
    """A design: the name of its table and of its definition, its keys, the partition key first, and its items.

    `make` makes an item; `recompute` derives the stored aggregate rows from all items.
    """

    name: str
    keys: Mapping[str, str]
    make: Callable[[random.Random], Row]
    recompute: Callable[[Sequence[Row]], Rows]

    @property
    def pipeline(self) -> str:
        """The definition."""
        return f"tests.pipelines.{self.name}:pipeline"

    @property
    def request(self) -> dict[str, Any]:
        """The input of CreateTable, without a stream."""
        return {
            "TableName": self.name,
            "AttributeDefinitions": [{"AttributeName": one, "AttributeType": kind} for one, kind in self.keys.items()],
            "KeySchema": [
                {"AttributeName": one, "KeyType": kind} for one, kind in zip(self.keys, ("HASH", "RANGE"), strict=True)
            ],
            "BillingMode": "PAY_PER_REQUEST",
        }

    def key(self, row: Row) -> Row:
        """Return the key of an item."""
        return {name: row[name] for name in self.keys}

    def by_key(self, rows: Iterable[Row]) -> dict[str, Row]:
        """Return items by the text of their key."""
        return {str(self.key(row)): row for row in rows}


def _shop_row(dice: random.Random) -> Row:
    customer = f"CUSTOMER#{dice.choice(['c-1', 'c_2', 'ü'])}"
    order, line = dice.choice(["1", "1.0", "2024-01", *map(str, range(2, 9))]), dice.choice(["1", "/", "~"])
    day = f"2024-10-{dice.randint(1, 3):02}"
    return dice.choice(
        [
            {"PK": customer, "SK": "PROFILE", "email": "a@b"},
            {
                "PK": customer,
                "SK": f"ORDER#{order}",
                "placed": day,
                "status": dice.choice("ab"),
                "amount": dice.randint(1, 9),
            },
            {"PK": customer, "SK": f"ORDER#{order}", "placed": day, "status": "a", "customer": "hidden by the key"},
            {
                "PK": customer,
                "SK": f"ORDER#{order}#LINE#{line}",
                "product": dice.choice("xy"),
                "units": dice.randint(1, 5),
            },
            {"PK": "PRODUCT#x", "SK": "STOCK", "units": 4},
            {"PK": customer, "SK": f"ORDER#{order}#", "placed": day, "status": "a"},
        ]
    )


def _shop_rows(table: Sequence[Row]) -> Rows:
    rows: defaultdict[tuple[str, str], Row] = defaultdict(dict)
    products: defaultdict[str, set[str]] = defaultdict(set)
    for row in table:
        parts = row["SK"].split("#")
        customer = row["PK"].removeprefix("CUSTOMER#")
        if parts[0] == "ORDER" and len(parts) == 2:
            found = rows[f"customer_orders@1#{customer}", "-"]
            found |= {"customer": customer, "orders": found.get("orders", 0) + 1}
            found["amount"] = found.get("amount", 0) + row.get("amount", 0)
            if "amount" in row:
                found["largest"] = max(found.get("largest", 0), row["amount"])
            found = rows[f"status_days@1#{row['status']}", row["placed"]]
            found |= {"status": row["status"], "day": row["placed"], "orders": found.get("orders", 0) + 1}
        elif parts[0] == "ORDER" and len(parts) == 4:
            found = rows[f"products@1#{row['product']}", "-"]
            found |= {"product": row["product"], "units": found.get("units", 0) + row["units"]}
            products[row["product"]].add(parts[1])
            found["orders"] = len(products[row["product"]])
    return dict(rows)


def _tenant_row(dice: random.Random) -> Row:
    key = {"pk": f"TENANT|{dice.choice(['t1', 't#2'])}", "sk": f"x#{dice.randint(1, 30)}|y"}
    others = {"ttl": dice.choice([EXPIRED, 4_000_000_000])} if dice.random() < 0.3 else {}
    return (
        key
        | others
        | dice.choice(
            [
                {"entity": "User", "active": dice.random() < 0.7, "plan": dice.choice(["free", "paid"])},
                {"entity": "Invoice", "amount": Decimal(dice.randint(1, 999)).scaleb(-2)},
                {"entity": "Session"},
                {"entity": "Audit"},
                {},
            ]
        )
    )


def _tenant_rows(table: Sequence[Row]) -> Rows:
    rows: defaultdict[tuple[str, str], Row] = defaultdict(dict)
    for row in table:
        tenant = row["pk"].removeprefix("TENANT|")
        key = tenant.replace("#", "%23")
        match row.get("entity"):
            case "User" if row["active"]:
                found = rows[f"plans@1#{key}", row["plan"]]
                found |= {"tenant": tenant, "plan": row["plan"], "users": found.get("users", 0) + 1}
            case "Invoice":
                found = rows[f"revenue@1#{key}", "-"]
                found |= {"tenant": tenant, "amount": found.get("amount", 0) + row["amount"]}
            case "Session":
                found = rows[f"sessions@1#{key}", "-"]
                found |= {"tenant": tenant, "sessions": found.get("sessions", 0) + 1}
    return dict(rows)


def _fleet_row(dice: random.Random) -> Row:
    key = {
        "device": dice.choice([b"\x00", b"\xff\x00", b"#"]),
        "at": dice.choice([0, Decimal("1.5"), 10**9, *range(1, 9000, 450)]),
    }
    return key | dice.choice(
        [
            {"kind": 1, "celsius": Decimal(dice.randint(-50, 50)).scaleb(-1)},
            {"kind": 2, "severity": dice.choice(["low", "high"])},
            {"kind": 3},
            {"kind": "1", "celsius": 5},
        ]
    )


def _fleet_rows(table: Sequence[Row]) -> Rows:
    rows: defaultdict[tuple[str, str], Row] = defaultdict(dict)
    for row in table:
        name = row["device"].hex()
        if row["kind"] == 1:
            hour = f"{datetime.fromtimestamp(int(row['at']), UTC):%Y-%m-%dT%H:00+00:00}"
            found = rows[f"device_hours@1#{name}", hour]
            found |= {"name": name, "hour": hour, "readings": found.get("readings", 0) + 1}
            found["celsius_total"] = found.get("celsius_total", 0) + row["celsius"]
            found["celsius_count"] = found["readings"]
            found["latest"] = max(found.get("latest", 0), row["at"])
        elif row["kind"] == 2:
            found = rows[f"alarms@1#{name}", row["severity"]]
            found |= {"name": name, "severity": row["severity"], "alarms": found.get("alarms", 0) + 1}
    return dict(rows)


DESIGNS = {
    design.name: design
    for design in (
        Design("shop", {"PK": "S", "SK": "S"}, _shop_row, _shop_rows),
        Design("tenants", {"pk": "S", "sk": "S"}, _tenant_row, _tenant_rows),
        Design("fleet", {"device": "B", "at": "N"}, _fleet_row, _fleet_rows),
    )
}
