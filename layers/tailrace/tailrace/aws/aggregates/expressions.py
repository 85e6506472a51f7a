"""Update expressions of UpdateItem, put together clause by clause."""

from typing import Any

from msgspec import Struct, field

from tailrace.encoding.dynamodb import encode_value
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import RowKey


class Expression(Struct):
    """The parts of an update expression, with its names and values."""

    names: dict[str, str] = field(default_factory=dict)
    values: Json = field(default_factory=dict)
    clauses: dict[str, list[str]] = field(default_factory=dict)
    conditions: list[str] = field(default_factory=list)

    def name(self, attribute: str) -> str:
        """Return a placeholder for an attribute."""
        placeholder = f"#{len(self.names)}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: Any) -> str:
        """Return a placeholder for a value."""
        placeholder = f":{len(self.values)}"
        self.values[placeholder] = encode_value(value)
        return placeholder

    def set(self, attribute: str, value: Any) -> str:
        """Set an attribute, and return its placeholder."""
        name = self.name(attribute)
        self.clauses.setdefault("SET", []).append(f"{name} = {self.value(value)}")
        return name

    def add(self, attribute: str, number: Any) -> None:
        """Add a number to an attribute."""
        self.clauses.setdefault("ADD", []).append(f"{self.name(attribute)} {self.value(number)}")

    def remove(self, attribute: str) -> str:
        """Remove an attribute, and return its placeholder."""
        name = self.name(attribute)
        self.clauses.setdefault("REMOVE", []).append(name)
        return name

    def request(self, table: str, key: RowKey) -> Json:
        """Return the UpdateItem request for a row."""
        request: Json = {
            "TableName": table,
            "Key": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in self.clauses.items()),
            "ExpressionAttributeNames": self.names,
            "ExpressionAttributeValues": self.values,
        }
        if self.conditions:
            request["ConditionExpression"] = " AND ".join(self.conditions)
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request
