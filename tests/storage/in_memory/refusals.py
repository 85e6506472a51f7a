"""Requests that DynamoDB refuses whatever the rows, or answers unlike its documentation suggests."""

from typing import Any

from tailrace.encoding.json_types import Json
from tests.storage.in_memory.cases import KEY, Requests, batch, put, query, statement, update

ROW = put(n=1, a="x", o=5, b=b"ab")
OWN = 'UPDATE "T" {} WHERE "pk" = ? AND "sk" = ?'


def changed(request: tuple[str, Json], **changes: Any) -> tuple[str, Json]:
    return request[0], request[1] | changes


def stored(value: Json) -> Requests:
    return [("put_item", {"Item": KEY | {"t": value}})]


def own(actions: str, *parameters: Any) -> Requests:
    return [ROW, batch(statement(OWN.format(actions), *parameters, "a", "b"))]


def on_condition(condition: str, **values: Any) -> Requests:
    return [ROW, update("SET q = :v", condition, v=1, **values)]


def reading(projection: str, **changes: Any) -> Requests:
    return [ROW, ("get_item", {"Key": KEY, "ProjectionExpression": projection} | changes)]


NAMES, VALUES = {"#z": "z"}, {":z": {"S": "z"}}
EXISTS = "attribute_exists(pk)"

PLACEHOLDERS: dict[str, Requests] = {
    "put with a name that nothing uses": [changed(put(), ConditionExpression=EXISTS, ExpressionAttributeNames=NAMES)],
    "put with a value that nothing uses": [
        changed(put(), ConditionExpression=EXISTS, ExpressionAttributeValues=VALUES)
    ],
    "put with values and no expression": [changed(put(), ExpressionAttributeValues=VALUES)],
    "delete with a name that nothing uses": [
        ROW,
        ("delete_item", {"Key": KEY, "ConditionExpression": EXISTS, "ExpressionAttributeNames": NAMES}),
    ],
    "get with a name that nothing uses": reading("n", ExpressionAttributeNames=NAMES),
    "query with a value that nothing uses": [ROW, query("pk = :p", p="a", s="z")],
    "scan with a value that nothing uses": [
        ROW,
        ("scan", {"FilterExpression": EXISTS, "ExpressionAttributeValues": VALUES}),
    ],
    "no values": [ROW, changed(update("REMOVE n"), ExpressionAttributeValues={})],
    "no names": [ROW, changed(update("REMOVE n"), ExpressionAttributeNames={})],
    "a value that is not given and not read": on_condition("n = :v OR n = :z"),
    "a default that is not given and not read": [ROW, update("SET n = if_not_exists(n, :z)")],
    "a name that is not given and not read": on_condition("n = :v OR #z = :v"),
}

GRAMMAR: dict[str, Requests] = {
    "an empty update": [ROW, update("")],
    "an update of 4,096 bytes": [ROW, update("SET n = :v".ljust(4096), v=1)],
    "an update of 4,097 bytes": [ROW, update("SET n = :v".ljust(4097), v=1)],
    "an update of 400 attributes": [ROW, update("SET " + ", ".join(f"a{n} = :v" for n in range(400)), v=1)],
    "an update of 330 attributes": [ROW, update("SET " + ", ".join(f"a{n} = :v" for n in range(330)), v=1)],
    "a condition of 4,097 bytes": on_condition("n = :v".ljust(4097)),
    "an empty condition": on_condition(""),
    "a clause twice": [ROW, update("SET n = :v SET a = :v", v=1)],
    "a function in capitals": [ROW, update("SET n = IF_NOT_EXISTS(n, :v)", v=1)],
    "a function of updates in a condition": on_condition("if_not_exists(n, :v) = :v"),
    "a reserved word": [ROW, update("SET count = :v", v=1)],
    "a reserved word in a condition": on_condition("attribute_not_exists(Status)"),
    "a reserved word that is removed": [ROW, update("REMOVE ttl")],
    "a reserved word that is read": reading("name"),
    "a reserved word in a statement": own("SET count = ?", 1),
    "a name that begins with a digit": [ROW, update("SET 1a = :v", v=1)],
    "a name that begins with a line": [ROW, update("SET _a = :v", v=1)],
    "an attribute that is added": [ROW, update("ADD n o")],
    "a value that is set": [ROW, update("SET :v = n", v=1)],
    "a value that is removed": [ROW, update("REMOVE :v", v=1)],
    "a value that exists": on_condition("attribute_exists(:v)"),
    "an attribute read twice": reading("n, n"),
    "nothing to read": reading(""),
    "brackets twice": on_condition("((n = :v))"),
    "brackets around brackets and more": on_condition("((n = :v) AND (n = :v))"),
    "an attribute and itself": on_condition("n = n"),
    "a default that is the attribute itself": [ROW, update("SET n = if_not_exists(n, n)")],
    "statements one of which is none": [
        ROW,
        batch(statement('UPDATE "T" SOT "n" = ?', 1), statement(OWN.format('SET "n" = ?'), 2, "a", "b")),
    ],
}

VALUES_OF_A_TYPE: dict[str, Requests] = {
    "a prefix that is a number": on_condition("begins_with(a, :v)"),
    "a range of two types": on_condition("n BETWEEN :v AND :w", w="x"),
    "a range from high to low": on_condition("n BETWEEN :w AND :v", w=2),
    "less than a truth": on_condition("n < :w", w=True),
    "less than a list": on_condition("n < :w", w=[1]),
    "a text that is added, and a condition that fails": [update("ADD n :v", "attribute_exists(z)", v="1")],
    "a text in a sum, and a condition that fails": [update("SET n = o + :v", "attribute_exists(z)", v="1")],
    "a statement that adds a text to no row": own('SET "z" = "y" + ?', "1"),
    "a statement with less than a list": [
        ROW,
        batch(statement(OWN.format('SET "q" = ?') + ' AND "n" < ?', 1, "a", "b", [1])),
    ],
    "an empty set": stored({"SS": []}),
    "a set with a member twice": stored({"SS": ["a", "a"]}),
    "a set with a number twice": stored({"NS": ["1", "1.0"]}),
    "a null that is false": stored({"NULL": False}),
    "a number with a space": stored({"N": " 1"}),
    "a number with a line": stored({"N": "1_0"}),
    "a number with a sign and a point": stored({"N": "+1."}),
    "a value of two types": stored({"N": "1", "S": "a"}),
}

KEYS: dict[str, Requests] = {
    "more than a key": [ROW, ("get_item", {"Key": KEY | {"z": {"S": "q"}}})],
    "an update of more than a key": [ROW, changed(update("REMOVE n"), Key=KEY | {"z": {"S": "q"}})],
    "a query by another attribute": [ROW, query("pk = :p AND n = :n", p="a", n=1)],
    "a query of either": [ROW, query("pk = :p OR pk = :s", p="a", s="b")],
    "a query without the partition": [ROW, query("sk = :s", s="b")],
    "a query of partitions above": [ROW, query("pk > :p", p="A")],
    "a query of other sort keys": [ROW, query("pk = :p AND sk <> :s", p="a", s="z")],
    "a query with not": [ROW, query("pk = :p AND NOT sk = :s", p="a", s="z")],
    "a query with two ranges": [ROW, query("pk = :p AND sk > :s AND sk < :t", p="a", s="a", t="z")],
    "a query with the value first": [ROW, query(":p = pk AND (sk > :s)", p="a", s="a")],
    "a query for a number": [ROW, query("pk = :p AND sk > :n", p="a", n=1)],
    "a query for nothing": [ROW, query("pk = :p", p="")],
    "a query with a filter of the key": [ROW, query("pk = :p", p="a", s="b", FilterExpression="sk = :s")],
    "a query with a limit of 0": [ROW, query("pk = :p", p="a", Limit=0)],
    "a query from another partition": [
        ROW,
        query("pk = :p", p="a", ExclusiveStartKey={"pk": {"S": "b"}, "sk": {"S": "c"}}),
    ],
    "a query from half a key": [ROW, query("pk = :p", p="a", ExclusiveStartKey={"pk": {"S": "a"}})],
    "reads of a row twice": [ROW, ("batch_get_item", {"RequestItems": {"T": {"Keys": [KEY, KEY]}}})],
    "a statement that changes the key": own('SET "sk" = ?', "q"),
    "a statement that sets twice": own('SET "n" = ? SET "n" = ?', 1, 2),
    "a statement that sets and removes": own('SET "n" = ? REMOVE "n"', 1),
    "a delete that returns the new row": [ROW, ("delete_item", {"Key": KEY, "ReturnValues": "ALL_NEW"})],
}

MEANING: dict[str, Requests] = {
    "two missing attributes differ": on_condition("y <> z"),
    "a prefix of bytes": on_condition("begins_with(b, :w)", w=b"a"),
    "an attribute that is a prefix": on_condition("begins_with(:w, a)", w="xy"),
    "a default that is missing and not needed": [ROW, update("SET q = if_not_exists(n, z)")],
    "an update that reads the key of a new row": [update("SET q = pk")],
    "a condition that reads the key of no row": [update("SET q = :v", "pk = :w", v=1, w="a")],
}

REFUSALS = PLACEHOLDERS | GRAMMAR | VALUES_OF_A_TYPE | KEYS | MEANING
