"""What the definition makes of sampled items is told with the key of an example and what to do."""

from collections.abc import Iterable
from typing import Any

from cli.check.report import Report, findings_of
from cli.check.tally import Tally
from tailrace import Aggregate, Collection, Pipeline, Route, count, field, total
from tailrace.attachment.facts import Finding
from tailrace.encoding.dynamodb import encode_item

SCHEMA = {
    "required": ["placed"],
    "properties": {"placed": {"type": "string"}, "amount": {"type": "number"}, "note": {}},
}


def refuses_large(order: dict[str, Any]) -> dict[str, Any]:
    if order.get("amount", 0) > 1000:
        raise ValueError("too large")
    return order


orders = Collection("orders", schema=SCHEMA, transform=refuses_large, key={"PK": "C#{customer}", "SK": "O#{order}"})
profiles = Collection("profiles", schema={}, key={"PK": "C#{customer}", "SK": "PROFILE"})
AGGREGATES = [
    Aggregate("days", of=orders, by=[field("placed")], measures={"orders": count(), "amount": total("amount")}),
    Aggregate("shops", of=orders, by=[field("shop")], measures={"orders": count()}),
    Aggregate("notes", of=orders, by=[field("placed")], measures={"notes": total("note")}),
    Aggregate("shops", of=orders, by=[field("shop")], measures={"orders": count()}, version=2),
]
ROUTES = [Route("dear", of=orders, when=lambda order: order["amount"] > 5)]
PIPELINE = Pipeline(collections=[orders, profiles], aggregates=AGGREGATES, routes=ROUTES)
PLAIN = Pipeline(collections=[Collection("orders", schema=SCHEMA)])


def order(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"PK": "C#ü", "SK": f"O#{number}", "placed": "2026", "amount": 4} | fields


def tallied(rows: Iterable[dict[str, Any]], pipeline: Pipeline = PIPELINE, keys: Iterable[str] = ("PK", "SK")) -> Tally:
    tally = Tally(pipeline, [*keys])
    for row in rows:
        tally.add(encode_item(row))
    return tally


def errors(tally: Tally) -> list[str]:
    return [finding.text for finding in findings_of(tally) if finding.is_error]


def notes(tally: Tally) -> list[str]:
    return [finding.text for finding in findings_of(tally) if not finding.is_error]


def test_items_are_counted_by_collection() -> None:
    tally = tallied([order(1, shop="a"), order(2), {"PK": "C#ü", "SK": "PROFILE"}, {"PK": "x", "SK": "y"}])
    assert tally.items == 4
    assert {name: one.items for name, one in tally.collections.items()} == {"orders": 2, "profiles": 1}
    assert tally.collections["orders"].in_rows == {"days": 2, "shops": 1, "notes": 2, "shops@2": 1}
    assert errors(tally) == []
    assert notes(tally) == [
        'Items match no collection and are left alone, 1 of 4 in the sample, such as {"PK":"x","SK":"y"}.'
    ]


def test_invalid_items_are_told_by_reason_with_an_example() -> None:
    rows = [order(1), order(2, amount="4"), order(3, amount="5"), order(4, placed=7), order(5, amount=2000)]
    found = errors(tallied(rows))
    assert found[0].startswith(
        "Items of 'orders' are invalid and would go to quarantine, 2 of 5 in the sample, "
        'such as {"PK":"C#ü","SK":"O#2"}: /amount '
    )
    assert len(found) == 3
    assert any("too large" in text for text in found)


def test_at_most_five_reasons_are_told() -> None:
    schema = {"properties": {f"f{number}": {"type": "string"} for number in range(7)}}
    pipeline = Pipeline(collections=[Collection("orders", schema=schema, key=orders.key)])
    found = errors(tallied([order(number, **{f"f{number}": 1}) for number in range(7)], pipeline))
    assert len(found) == 6
    assert found[-1].startswith("Items of 'orders' are invalid and would go to quarantine for 2 other reasons: ")


def test_items_that_an_aggregate_cannot_count() -> None:
    (found,) = errors(tallied([order(1), order(2, note="x")]))
    assert found.startswith("Items of 'orders' cannot be counted in aggregate 'notes', 1 of 2 in the sample, such as ")
    assert '"O#2"' in found


def test_aggregates_without_a_row() -> None:
    found = notes(tallied([order(1), order(2)]))
    assert "Aggregate 'shops' has no row of 2 valid items of 'orders': " in found[0]
    assert "Aggregate 'shops@2'" in found[1]
    assert notes(tallied([order(1, amount="x")])) == notes(tallied([order(1, shop="a")]))


def test_an_aggregate_whose_where_no_item_satisfies() -> None:
    none = Aggregate("none", of=orders, by=[field("shop")], measures={"n": count()}, where=lambda _order: False)
    found = notes(tallied([order(1, shop="a")], Pipeline([orders], [none])))
    assert found == [
        "Aggregate 'none' has no row of 1 valid item of 'orders': none has all fields of a group, and satisfies where=."
    ]


def test_a_route_whose_predicate_fails() -> None:
    row = order(1, shop="a")
    del row["amount"]
    (found,) = errors(tallied([row]))
    assert found.startswith("Items of 'orders' make the predicate of route 'dear' fail, 1 of 1 in the sample, such as ")


def test_a_collection_that_no_item_is_of() -> None:
    (found,) = notes(tallied([order(1, shop="a")]))
    assert found.startswith("No sampled item is of 'profiles': take a larger --sample")


def test_no_item_of_any_collection() -> None:
    tally = tallied([{"PK": "x", "SK": "y"}] * 2)
    (found,) = errors(tally)
    assert found.startswith("No item matches a collection, 2 of 2 in the sample, such as ")
    assert "compare key= and match=" in found
    assert notes(tally) == []


def test_an_empty_table_has_nothing_to_tell() -> None:
    tally = tallied([])
    assert errors(tally) == []
    assert all("No sampled item is of" not in text for text in notes(tally))


def test_strict_pipelines_would_quarantine_what_no_collection_matches() -> None:
    strict = Pipeline(collections=[orders], strict=True)
    (found,) = errors(tallied([order(1), {"PK": "x", "SK": "y"}], strict))
    assert found.endswith(": describe them, or set strict=False in the pipeline.")
    rows = [{"pk": "orders#1", "placed": "2026"}, {"pk": "users#1"}]
    (found,) = errors(tallied(rows, PLAIN, ["pk"]))
    assert '{"pk":"users#1"}' in found
    assert "quarantine" in found


def test_items_that_cannot_be_read() -> None:
    """One finding for all of them."""
    (found,) = errors(tallied([order(1) | {"SK": 7}, order(1) | {"SK": 8}]))
    assert found.startswith("Items cannot be read and would go to quarantine, 2 of 2 in the sample, such as ")
    assert "the table's key is 'PK' (text) and 'SK' (number)" in found


def test_the_report_says_what_to_do_next() -> None:
    tally = tallied([order(1, shop="a"), order(2, amount="4"), {"PK": "x", "SK": "y"}])
    parameters = {"ItemsTableName": "shop", "ItemsStreamArn": "arn:x"}
    findings = [*findings_of(tally)]
    broken = Report("shop", "eu-west-1", parameters, [Finding("It is disabled.")], tally, findings)
    assert not broken.fits
    lines = [*broken.lines()]
    assert lines[:4] == [
        "sample  3 items of table 'shop'",
        "        orders: 2 items, 1 of them invalid",
        "        profiles: 0 items",
        "        no collection: 1 item",
    ]
    assert [line[:8] for line in lines[4:-1]] == ["BROKEN  ", "BROKEN  ", "note    ", "note    "]
    assert lines[-1] == "A stack cannot be attached to table 'shop' in eu-west-1 as it is."
    partly = [*Report("shop", "eu-west-1", parameters, [], tally, findings).lines()]
    assert partly[-1].startswith(
        "A stack can be attached to table 'shop' in eu-west-1, but not all of its items fit the definition: deploy it"
    )
    unknown = [*Report("shop", "eu-west-1", parameters, [Finding("Denied.")], is_known=False).lines()]
    assert unknown[-1] == "Cannot tell whether a stack can be attached to table 'shop' in eu-west-1."
    fine = Report("shop", "eu-west-1", parameters, [Finding("Know this.", is_error=False)], None)
    assert [*fine.lines()] == [
        "note    Know this.",
        "A stack can be attached to table 'shop' in eu-west-1: deploy it with ItemsTableName=shop ItemsStreamArn=arn:x",
    ]
    document = broken.as_json()
    assert (document["fits"], document["sample"]["collections"][0]["invalid"]) == (False, 1)
    assert fine.as_json()["sample"] is None
