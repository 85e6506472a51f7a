"""Requests that the table in memory and DynamoDB answer alike: one by one, in batches and in transactions."""

from typing import Any

from tailrace.encoding.dynamodb import encode_value
from tailrace.encoding.json_types import Json

type Requests = list[tuple[str, Json]]

KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
OTHER = {"pk": {"S": "a"}, "sk": {"S": "c"}}


def put(**fields: Any) -> tuple[str, Json]:
    return "put_item", {"Item": KEY | {name: encode_value(value) for name, value in fields.items()}}


def update(
    expression: str, condition: str | None = None, key: Json = KEY, names: Json | None = None, **values: Any
) -> tuple[str, Json]:
    request: Json = {"Key": key, "UpdateExpression": expression}
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": encode_value(value) for name, value in values.items()}
    if condition is not None:
        request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return "update_item", request


def statement(text: str, *parameters: Any) -> Json:
    return {"Statement": text, "Parameters": [encode_value(value) for value in parameters]}


def batch(*statements: Json) -> tuple[str, Json]:
    return "batch_execute_statement", {"Statements": list(statements)}


def transaction(*updates: tuple[str, Json]) -> tuple[str, Json]:
    return "transact_write_items", {"TransactItems": [{"Update": request} for _, request in updates]}


def query(condition: str, *, n: int | None = None, **given: Any) -> tuple[str, Json]:
    values = {f":{name}": encode_value(given.pop(name)) for name in ("p", "s", "t") if name in given}
    values |= {} if n is None else {":n": encode_value(n)}
    return "query", {"KeyConditionExpression": condition, "ExpressionAttributeValues": values} | given


ROWS = [
    update("SET n = :v, o = :w", key={"pk": {"S": "a"}, "sk": {"S": sk}}, v=number, w="x")
    for number, sk in enumerate(("b", "c", "ba", "B", "\u00e9"))
]
MARKED = "attribute_not_exists(m) OR m < :v"
UNMARKED = (
    'UPDATE "T" SET "n" = "n" + ? SET "m" = ? WHERE "pk" = ? AND "sk" = ? AND "n" IS NOT MISSING AND NOT "m" >= ?'
)
MOVE = 'UPDATE "T" SET "n" = "n" + ? SET "m" = ? WHERE "pk" = ? AND "sk" = ? AND "m" < ?'

CASES: dict[str, Requests] = {
    "add makes a row": [update("ADD n :v", v=3), update("ADD n :v", v=-3)],
    "set and add and remove": [put(a="x", b="y", n=1), update("SET a = :s ADD n :v REMOVE b", s="z", v=2)],
    "add of a missing attribute is zero plus": [put(a="x"), update("ADD n :v", v=0)],
    "operands see the row before": [put(n=1, o=5), update("SET o = n + :v, n = o - :v", v=2)],
    "set from a missing attribute": [put(a="x"), update("SET n = n + :v", v=2)],
    "set of a missing attribute": [put(a="x"), update("SET n = o")],
    "if_not_exists": [put(n=1), update("SET n = if_not_exists(n, :v) + :v, o = if_not_exists(o, :v) + :v", v=5)],
    "add to a text": [put(a="x"), update("ADD a :v", v=1)],
    "add of a text": [put(n=1), update("ADD n :v", v="1")],
    "a key cannot be changed": [update("SET sk = :v", v="x")],
    "an attribute is touched once": [put(n=1), update("SET n = :v ADD n :v", v=1)],
    "names stand for attributes": [update("SET #a = :v ADD #b :n", names={"#a": "~x", "#b": "a b"}, v="t", n=1)],
    "a name that nothing uses": [update("SET a = :v", names={"#b": "b"}, v=1)],
    "a value that nothing uses": [update("SET a = :v", v=1, w=2)],
    "a name that is not given": [update("SET #a = :v", v=1)],
    "a value that is not given": [update("SET a = :w")],
    "no such clause": [update("LET a = :v", v=1)],
    "mark of no row": [update("SET m = :v", MARKED, v="1")],
    "mark of a row without one": [put(n=1), update("SET m = :v", MARKED, v="1")],
    "mark below": [put(m="0009"), update("SET m = :v", MARKED, v="0010")],
    "mark the same": [put(m="0010", n=1), update("SET m = :v", MARKED, v="0010")],
    "mark above": [put(m="0011", n=1), update("SET m = :v", MARKED, v="0010")],
    "mark of another type": [put(m=9), update("SET m = :v", MARKED, v="0010")],
    "texts compare by bytes": [put(m="\uffff"), update("SET m = :v", MARKED, v="\U00010000")],
    "numbers compare as numbers": [put(m=9), update("SET m = :v", MARKED, v=10)],
    "both": [put(n=1, o=2), update("SET n = :v", "n = :v AND o >= :v", v=1), update("SET o = :v", "n <> :v", v=1)],
    "a mark and a version": [
        put(m="0009", n=1),
        update("SET m = :v, n = :n", f"({MARKED}) AND n = :o", v="0010", n=2, o=1),
        update("SET m = :v, n = :n", f"({MARKED}) AND n = :o", v="0011", n=3, o=1),
        update("SET m = :v, n = :n", f"({MARKED}) AND attribute_not_exists(n)", v="0012", n=3),
        update("SET m = :v, q = :n", f"({MARKED}) AND attribute_not_exists(q)", v="0012", n=1),
    ],
    "what is missing is removed": [put(a="x"), update("SET a = :v REMOVE b, c ADD n :n", v="y", n=1)],
    "an end that is nearer stays": [
        put(n=0, o=5),
        update("SET o = :v", "(attribute_not_exists(o) OR o > :v) AND n = :z", v=7, z=0),
        update("SET o = :v", "(attribute_not_exists(o) OR o > :v) AND n = :z", v=3, z=0),
    ],
    "brackets and not": [put(n=1), update("SET n = :v", "NOT (n > :v OR attribute_exists(o))", v=1)],
    "38 digits": [put(n=10**37), update("ADD n :v", v=1)],
    "39 digits": [put(n=10**38), update("ADD n :v", v=1)],
    "39 digits but zeros": [put(n=10**38 - 1), update("ADD n :v", v=1)],
    "a number of 39 digits": [put(n=10**38 + 1)],
    "a parameter of 39 digits": [update("ADD n :v", v=10**38 + 1)],
    "the largest": [put(n=9 * 10**125), update("ADD n :v", v=9 * 10**125)],
    "beyond the largest": [put(n=10**126)],
    "put replaces": [put(a="x"), put(b="y")],
    "put on a condition": [
        put(a="x"),
        ("put_item", put(b="y")[1] | {"ConditionExpression": "attribute_not_exists(pk)"}),
    ],
    "delete": [put(a="x"), ("delete_item", {"Key": KEY, "ReturnValues": "ALL_OLD"}), ("get_item", {"Key": KEY})],
    "delete of nothing": [("delete_item", {"Key": KEY, "ReturnValues": "ALL_OLD"})],
    "get": [put(a="x", n=[1, {"b": {b"1", b"2"}}]), ("get_item", {"Key": KEY, "ConsistentRead": True})],
    "an empty key": [("get_item", {"Key": {"pk": {"S": ""}, "sk": {"S": "b"}}})],
    "half a key": [("get_item", {"Key": {"pk": {"S": "a"}}})],
    "returned": [put(n=1), ("update_item", update("ADD n :v", v=1)[1] | {"ReturnValues": "ALL_NEW"})],
    "statement": [put(n=1, m="1"), batch(statement(MOVE, 2, "2", "a", "b", "2"))],
    "statement not below": [put(n=1, m="2"), batch(statement(MOVE, 2, "2", "a", "b", "2"))],
    "statement on no row": [batch(statement(MOVE, 2, "2", "a", "nobody", "2"))],
    "statement on a row without the mark": [put(n=1), batch(statement(MOVE, 2, "2", "a", "b", "2"))],
    "statement on a row with or without the mark": [
        put(n=1),
        *[batch(statement(UNMARKED, 2, mark, "a", "b", mark)) for mark in ("2", "3", "2")],
    ],
    "statement on a row without counters": [put(o=1), batch(statement(UNMARKED, 2, "2", "a", "b", "2"))],
    "statement on an unmarked row that does not exist": [batch(statement(UNMARKED, 2, "2", "a", "b", "2"))],
    "statement removes what is missing": [
        put(n=1, m="1"),
        batch(statement(MOVE.replace(" WHERE", ' REMOVE "o" REMOVE "p" WHERE'), 2, "2", "a", "b", "2")),
    ],
    "some attributes of a row": [
        put(n=1, a="x"),
        ("get_item", {"Key": KEY, "ProjectionExpression": "n, o", "ConsistentRead": True}),
        ("get_item", {"Key": OTHER, "ProjectionExpression": "n", "ConsistentRead": True}),
    ],
    "statement adds to nothing": [put(m="1"), batch(statement(MOVE, 2, "2", "a", "b", "2"))],
    "statement of 39 digits": [put(m="1", n=10**38), batch(statement(MOVE, 1, "2", "a", "b", "2"))],
    "statements fail alone": [
        put(n=1, m="1"),
        update("SET m = :m ADD n :n", key=OTHER, m="5", n=1),
        batch(statement(MOVE, 2, "2", "a", "c", "2"), statement(MOVE, 2, "2", "a", "b", "2")),
    ],
    "statement on what is missing, or of another type": [
        put(n=1, o=1),
        *[
            batch(statement(UNMARKED.replace('NOT "m" >= ?', condition), 1, "2", "a", "b"))
            for condition in ('"m" IS MISSING', '"o" IS MISSING', 'NOT "m" IS MISSING', 'NOT "m" IS NOT MISSING')
        ],
        batch(statement(UNMARKED.replace('"m" >=', '"o" >='), 2, "2", "a", "b", "2")),
    ],
    "statement with a key that is not equal": [
        put(n=1),
        batch(statement('UPDATE "T" SET "n" = ? WHERE "pk" = ? AND NOT "sk" = ?', 2, "a", "c")),
    ],
    "statement with half a key": [put(n=1), batch(statement('UPDATE "T" SET "n" = ? WHERE "pk" = ?', 2, "a"))],
    "statement that removes": [
        put(n=1, o=1),
        batch(statement('UPDATE "T" REMOVE "o" SET "n" = ? WHERE "pk" = ? AND "sk" = ?', 2, "a", "b")),
    ],
    "a transaction": [
        put(n=1),
        transaction(update("ADD n :v", "n = :w", v=1, w=1), update("SET n = :v", key=OTHER, v=7)),
    ],
    "a transaction whose condition fails": [
        put(n=1),
        transaction(update("ADD n :v", v=1), update("SET n = :v", "attribute_exists(n)", key=OTHER, v=7)),
    ],
    "a transaction that finds another row": [
        put(n=1),
        transaction(update("ADD n :v", "n = :w", v=1, w=2), update("SET n = :v", key=OTHER, v=7)),
    ],
    "a transaction whose sum has 39 digits": [
        put(n=10**38),
        transaction(update("ADD n :v", v=1), update("SET n = :v", key=OTHER, v=7)),
    ],
    "a transaction with one row twice": [transaction(update("ADD n :v", v=1), update("SET o = :v", v=7))],
    "a transaction of nothing": [transaction()],
    "a transaction of 101": [
        transaction(*[update("ADD n :v", v=1, key={"pk": {"S": "t"}, "sk": {"S": str(n)}}) for n in range(101)])
    ],
    "query": [*ROWS, query("pk = :p", p="a")],
    "query backwards": [*ROWS, query("pk = :p", p="a", ScanIndexForward=False)],
    "query below": [*ROWS, query("pk = :p AND sk < :s", p="a", s="b")],
    "query between": [*ROWS, query("pk = :p AND sk BETWEEN :s AND :t", p="a", s="B", t="c")],
    "query of a prefix": [*ROWS, query("pk = :p AND begins_with(sk, :s)", p="a", s="b")],
    "query of nothing": [*ROWS, query("pk = :p", p="z")],
    "query with a limit": [*ROWS, query("pk = :p", p="a", Limit=2)],
    "query with a limit that is just met": [*ROWS, query("pk = :p", p="a", Limit=5)],
    "query from a key": [*ROWS, query("pk = :p", p="a", Limit=2, ExclusiveStartKey=KEY)],
    "query from a key backwards": [*ROWS, query("pk = :p", p="a", ScanIndexForward=False, ExclusiveStartKey=KEY)],
    "query with a filter": [*ROWS, query("pk = :p", p="a", n=2, FilterExpression="n > :n", Limit=4)],
    "query of some attributes": [*ROWS, query("pk = :p", p="a", ProjectionExpression="n, sk")],
    "batch of reads": [
        *ROWS,
        (
            "batch_get_item",
            {"RequestItems": {"T": {"Keys": [KEY, OTHER, {"pk": {"S": "a"}, "sk": {"S": "nobody"}}]}}},
        ),
    ],
    "26 statements": [batch(*[statement(MOVE, 2, "2", "a", str(n), "2") for n in range(26)])],
    "a statement in a batch with an odd name": [
        put(**{'o"d': 1, "m": "1"}),
        batch(statement('UPDATE "T" SET "o""d" = "o""d" + ? WHERE "pk" = ? AND "sk" = ?', 2, "a", "b")),
    ],
}
