"""Tables by name and the operations on them, with the interface of boto3's low-level client."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.in_memory.errors import Rejected, Unsupported, invalid
from local.in_memory.expressions import Scope
from local.in_memory.parser import parse_condition, parse_update
from local.in_memory.partiql import Statement, parse_statement
from local.in_memory.reads import page, partition_of, projected
from local.in_memory.requests import check_condition, check_placeholders, check_values, scope_of
from local.in_memory.table import ChangeListener, Key, Table
from local.in_memory.transactions import Prepared, transact
from local.in_memory.values import Row, Value, canonical

type Json = dict[str, Any]

_MAX_STATEMENTS = 25
_MAX_KEYS = 100
_CONDITION_FAILED = ("ConditionalCheckFailedException", "The conditional request failed")
_KNOWN_OPTIONS = {"ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"}
_KNOWN_OPTIONS |= {"ReturnValues", "ReturnValuesOnConditionCheckFailure"}
_METADATA: Json = {"HTTPStatusCode": 200}


class Database:
    """An account's tables. Each operation is immediate and atomic.

    ``returns_rejected_item``: a rejected statement's error holds the row if the request asked for it. AWS documents
    this; DynamoDB Local does not do it: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
    """

    def __init__(self, *, returns_rejected_item: bool = False) -> None:
        self.returns_rejected_item = returns_rejected_item
        self._tables: dict[str, Table] = {}

    def create(self, name: str, *key_names: str, on_change: ChangeListener | None = None) -> None:
        """Create a table with these keys, the partition key first; `on_change` is called for each change."""
        self._tables[name] = Table(key_names, on_change)

    def rows(self, name: str) -> list[Row]:
        """Return all rows of a table, ordered by key."""
        return [row for _, row in sorted(self._table(name).rows.items())]

    def put_item(self, *, TableName: str, Item: Mapping[str, Value], **options: Any) -> Json:  # noqa: N803
        """Replace a whole row if the condition holds."""
        return self._run("PutItem", lambda: self._replace(TableName, Item, _row(Item), options))

    def delete_item(self, *, TableName: str, Key: Mapping[str, Value], **options: Any) -> Json:  # noqa: N803
        """Delete a row if the condition holds."""
        return self._run("DeleteItem", lambda: self._replace(TableName, Key, None, options))

    def get_item(self, *, TableName: str, Key: Mapping[str, Value], **options: Any) -> Json:  # noqa: N803
        """Return a row; the response has no ``Item`` if the row does not exist."""

        def get() -> Json:
            found = self._get(TableName, Key, options)
            return {"ResponseMetadata": _METADATA} | ({} if found is None else {"Item": found})

        return self._run("GetItem", get)

    def batch_get_item(self, *, RequestItems: Mapping[str, Json]) -> Json:  # noqa: N803
        """Return those of up to 100 rows that exist. The keys must be distinct."""

        def get() -> Json:
            found = {name: [self._get(name, key, part) for key in part["Keys"]] for name, part in RequestItems.items()}
            for name, part in RequestItems.items():
                if len({self._table(name).key(key) for key in part["Keys"]}) < len(part["Keys"]):
                    raise invalid("Provided list of item keys contains duplicates")
            if not 1 <= sum(map(len, found.values())) <= _MAX_KEYS:
                raise invalid(f"1 to {_MAX_KEYS} keys")
            present = {name: [row for row in rows if row is not None] for name, rows in found.items()}
            return {"Responses": present, "UnprocessedKeys": {}, "ResponseMetadata": _METADATA}

        return self._run("BatchGetItem", get)

    def query(self, *, TableName: str, KeyConditionExpression: str, **options: Any) -> Json:  # noqa: N803
        """Return one page of a partition's rows, ordered by sort key."""
        request = options | {"KeyConditionExpression": KeyConditionExpression}
        return self._run("Query", lambda: self._page(TableName, request))

    def scan(self, *, TableName: str, **options: Any) -> Json:  # noqa: N803
        """Return one page of all rows, ordered by key (DynamoDB's order differs)."""
        return self._run("Scan", lambda: self._page(TableName, options))

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803 - boto3's parameter names
        Key: Mapping[str, Value],  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        **options: Any,
    ) -> Json:
        """Update or create a row if the condition holds."""
        return self._run("UpdateItem", lambda: self._update(TableName, Key, UpdateExpression, options))

    def batch_execute_statement(self, *, Statements: Sequence[Json], **_options: Any) -> Json:  # noqa: N803
        """Run up to 25 PartiQL updates; each succeeds or fails on its own."""

        def run() -> Json:
            if not 1 <= len(Statements) <= _MAX_STATEMENTS:
                raise invalid(f"1 to {_MAX_STATEMENTS} statements, not {len(Statements)}")
            self._reject_duplicates(Statements)
            return {"Responses": [self._execute_entry(entry) for entry in Statements], "ResponseMetadata": _METADATA}

        return self._run("BatchExecuteStatement", run)

    def transact_write_items(self, *, TransactItems: Sequence[Json], **_options: Any) -> Json:  # noqa: N803
        """Run up to 100 updates of different rows, all or none."""

        def run() -> Json:
            transact(TransactItems, self._prepared)
            return {"ResponseMetadata": _METADATA}

        return self._run("TransactWriteItems", run)

    # --- the operations -----------------------------------------------------------------------------------

    def _run(self, operation: str, action: Callable[[], Json]) -> Json:
        try:
            return action()
        except Rejected as error:
            raise error.as_client_error(operation) from None

    def _table(self, name: str) -> Table:
        try:
            return self._tables[name]
        except KeyError:
            raise Rejected("ResourceNotFoundException", "Cannot do operations on a non-existent table") from None

    def _get(self, name: str, key: Mapping[str, Value], options: Mapping[str, Any]) -> Row | None:
        table = self._table(name)
        projection, scope = options.get("ProjectionExpression"), scope_of(None, options)
        check_placeholders(scope, (projection,))
        projected({}, projection, scope.names)  # an invalid one is rejected whether or not there is a row
        found = table.rows.get(table.exact_key(key))
        return None if found is None else projected(found, projection, scope.names)

    def _page(self, name: str, request: Json) -> Json:
        table = self._table(name)
        partition = partition_of(request, table.key_names[0])
        rows = table.rows if partition is None else table.partitions.get(partition, {})
        return page(rows.values(), table.key_names, request) | {"ResponseMetadata": _METADATA}

    def _replace(self, name: str, given: Mapping[str, Value], new: Row | None, options: Json) -> Json:
        table = self._table(name)
        key = table.exact_key(given) if new is None else table.key(given)
        old = table.rows.get(key)
        condition, scope = _condition_expression(options), scope_of(old, options)
        if options.get("ReturnValues", "NONE") not in ("NONE", "ALL_OLD"):
            raise invalid("Return values set to invalid value")
        check_placeholders(scope, (condition,))
        check_condition(condition, scope)
        _check(condition, scope, options)
        table.replace(key, new)
        wanted = old is not None and options.get("ReturnValues") == "ALL_OLD"
        return {"ResponseMetadata": _METADATA} | ({"Attributes": dict(old or {})} if wanted else {})

    def _update(self, name: str, given: Mapping[str, Value], expression: str, options: Json) -> Json:
        table, key, new = self._updated(name, given, expression, options)
        old = table.replace(key, new)
        return {"ResponseMetadata": _METADATA} | _returned(options.get("ReturnValues", "NONE"), old, table.rows[key])

    def _prepared(self, action: Json) -> Prepared:
        """Return an update of a transaction, not applied yet."""
        options = dict(action)
        name, given, expression = (options.pop(part) for part in ("TableName", "Key", "UpdateExpression"))
        table, key, new = self._updated(name, given, expression, options)
        return (name, key), lambda: table.replace(key, new)

    def _updated(self, name: str, given: Mapping[str, Value], expression: str, options: Json) -> tuple[Table, Key, Row]:
        """Return a row as it would be after an update, with its table and key."""
        table = self._table(name)
        key = table.exact_key(given)
        scope = scope_of(table.rows.get(key), options)
        update = parse_update(expression)
        condition = _condition_expression(options)
        check_placeholders(scope, (expression, condition))
        check_values(update.notes, scope.values)
        check_condition(condition, scope)
        written = set(update.written_attributes(scope))
        if len(written) < update.actions():
            raise invalid("Two document paths overlap with each other")
        if not written.isdisjoint(table.key_names):
            raise invalid("Cannot update attribute. This attribute is part of the key")
        _check(condition, scope, options)
        # unlike the condition, the update finds the key in a row that it creates
        before = scope if scope.row else Scope(dict(given), scope.names, scope.values)
        return table, key, update.apply(before) | {part: dict(given[part]) for part in table.key_names}

    def _execute_entry(self, entry: Json) -> Json:
        named: Json = {}
        try:
            statement = parse_statement(entry["Statement"])
            named = {"TableName": statement.table}
            table, key, values = self._target(statement, entry)
            shown = self.returns_rejected_item and entry.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            self._execute(table, key, statement, values, shown=shown)
        except Rejected as error:
            code = error.code.removesuffix("Exception").replace("Validation", "ValidationError")
            error_body: Json = {"Code": code, "Message": error.message}
            if error.item is not None:
                error_body["Item"] = error.item
            return {"Error": error_body} | named
        return named

    def _target(self, statement: Statement, entry: Json) -> tuple[Table, Key, list[Value]]:
        """Return a statement's table, key and parameters."""
        if len(statement.written) < statement.update.actions():
            raise invalid("Two document paths overlap with each other")
        values = [canonical(value) for value in entry.get("Parameters", ())]
        if len(values) != statement.parameters:
            raise invalid("Number of parameters in request and statement don't match.")
        check_values(statement.notes, dict(enumerate(values)))
        table = self._table(statement.table)
        if not set(table.key_names) <= set(statement.equal):
            raise invalid("Where clause does not contain a mandatory equality on all key attributes")
        if not statement.written.isdisjoint(table.key_names):
            raise invalid("Cannot update attribute. This attribute is part of the key")
        return table, table.key({name: values[statement.equal[name]] for name in table.key_names}), values

    @staticmethod
    def _execute(table: Table, key: Key, statement: Statement, values: list[Value], *, shown: bool) -> None:
        old = table.rows.get(key)
        scope = Scope(old or {}, {}, dict(enumerate(values)))
        if old is None or not all(condition(scope) for condition in statement.conditions):
            raise Rejected(*_CONDITION_FAILED, item=dict(old) if shown and old is not None else None)
        table.replace(key, statement.update.apply(scope))

    def _reject_duplicates(self, statements: Sequence[Json]) -> None:
        """Reject a whole batch that names a row twice, before any statement runs."""
        seen: set[tuple[str, Key]] = set()
        for entry in statements:
            try:
                statement = parse_statement(entry["Statement"])
                target = (statement.table, self._target(statement, entry)[1])
            except Rejected:
                continue  # reported when the statement runs
            if target in seen:
                raise invalid("Batch contains multiple operations on one item")
            seen.add(target)


def _row(item: Mapping[str, Value]) -> Row:
    return {name: canonical(value) for name, value in item.items()}


def _condition_expression(options: Json) -> str | None:
    if not _KNOWN_OPTIONS.issuperset(options):
        raise Unsupported(f"options {sorted(options.keys() - _KNOWN_OPTIONS)}")
    condition: str | None = options.get("ConditionExpression")
    return condition


def _check(condition: str | None, scope: Scope, options: Json) -> None:
    if condition is None or parse_condition(condition).holds(scope):
        return
    # every row has at least its key, so an empty one does not exist
    shown = scope.row and options.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    raise Rejected(*_CONDITION_FAILED, item=dict(scope.row) if shown else None)


def _returned(wanted: str, old: Row | None, new: Row) -> Json:
    match wanted:
        case "NONE":
            return {}
        case "ALL_NEW":
            return {"Attributes": dict(new)}
        case "ALL_OLD":
            return {} if old is None else {"Attributes": dict(old)}
    raise Unsupported(f"ReturnValues={wanted}")
