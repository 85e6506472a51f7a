"""Whether an existing table can hold the items of a definition: its key, its TTL, and the keys of its indexes."""

from collections.abc import Iterator, Mapping
from typing import Any

from tailrace.attachment.facts import Described, Finding, Wanted
from tailrace.definition.collection import Collection
from tailrace.definition.item_keys import PLAIN_ATTRIBUTE, PLAIN_TTL
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.key_templates import kind_of

_KINDS = {"S": "text", "N": "number", "B": "binary"}
_JSON_TYPES = {"text": "string", "number": "number"}
_HAS_TTL = ("ENABLED", "ENABLING")


def check_key(pipeline: Pipeline, wanted: Wanted, table: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield why the definition's keys are not those of the table."""
    has, needs = _key_attributes(table, table["KeySchema"]), _attributes_of(pipeline)
    if list(has.items()) == list(needs.items()):
        return
    text = f"The key of table {wanted.table!r} is {_in_words(has)}"
    if all(one.keys.is_plain for one in pipeline.collections):
        names = ", ".join(repr(one.name) for one in pipeline.collections)
        yield Finding(
            f"{text}, but collections without key= need {_in_words(needs)}: give {names} a key= such as "
            f"{_example(has)}."
        )
        return
    yield Finding(
        f"{text}, but key= of the definition is {_in_words(needs)}{_cause(has, needs)}: give every collection a key= "
        f"such as {_example(has)}."
    )


def check_ttl(pipeline: Pipeline, wanted: Wanted, described: Described) -> Iterator[Finding]:
    """Yield what is wrong with the table's TTL."""
    if described.time_to_live is None:
        return
    ttl = pipeline.keys.ttl if pipeline.keys else PLAIN_TTL
    found = described.time_to_live
    attribute = found.get("AttributeName") if found.get("TimeToLiveStatus") in _HAS_TTL else None
    if attribute is not None and attribute != ttl:
        yield Finding(
            f"Items of table {wanted.table!r} expire by the attribute {attribute!r}, but the definition's TTL "
            f"attribute is {ttl!r}: write ttl={attribute!r} in every collection."
        )
    if attribute is not None:
        return
    kept = [one.name for one in pipeline.collections if one.lifetime is not None]
    enable = (
        f"`aws dynamodb update-time-to-live --table-name {wanted.table} --time-to-live-specification "
        f"Enabled=true,AttributeName={ttl}`"
    )
    if kept and wanted.writes:
        yield Finding(
            f"Items of {', '.join(map(repr, kept))} have keep=, but table {wanted.table!r} has no TTL, so they would "
            f"never expire: enable it with {enable}, or remove keep=."
        )
    elif ttl != PLAIN_TTL:
        yield Finding(
            f"The definition says ttl={ttl!r}, but table {wanted.table!r} has no TTL, so no item expires, and {ttl!r} "
            f"is not a field either: enable it with {enable}, or remove ttl=.",
            is_error=False,
        )


def check_indexes(pipeline: Pipeline, wanted: Wanted, table: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the items that an index would refuse: DynamoDB refuses an item whose index key has another type."""
    if not wanted.writes:
        return
    seen = set(_key_attributes(table, table["KeySchema"]))
    for index in (*table.get("GlobalSecondaryIndexes", ()), *table.get("LocalSecondaryIndexes", ())):
        for name, kind in _key_attributes(table, index.get("KeySchema", ())).items():
            for collection in () if name in seen else pipeline.collections:
                if _never_is(collection, name, kind):
                    yield Finding(
                        f"Index {index['IndexName']!r} of table {wanted.table!r} needs {name!r} as a {kind}, but items "
                        f"of {collection.name!r} never have one there, so DynamoDB would refuse to write them: deploy "
                        f"with WriteEntrances=off, or fix the schema."
                    )
            seen.add(name)


def _never_is(collection: Collection, name: str, kind: str) -> bool:
    """Tell whether items have an attribute, and never in the type that an index needs."""
    if name in collection.keys.match:
        return kind_of(collection.keys.match[name]) != kind
    if name in collection.keys.fields or name == collection.keys.ttl or kind not in _JSON_TYPES:
        return False
    types = collection.compiled.paths.types((name,)) - {"null"}
    return bool(types) and _JSON_TYPES[kind] not in types


def _attributes_of(pipeline: Pipeline) -> Mapping[str, str]:
    return pipeline.keys.attributes if pipeline.keys else {PLAIN_ATTRIBUTE: "text"}


def _key_attributes(table: Mapping[str, Any], schema: Any) -> dict[str, str]:
    """Return the key attributes of a table or index with their types, the partition key first."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table.get("AttributeDefinitions", ())}
    ordered = sorted(schema, key=lambda one: str(one["KeyType"]) != "HASH")
    return {one["AttributeName"]: _KINDS.get(types.get(one["AttributeName"], ""), "unknown") for one in ordered}


def _in_words(attributes: Mapping[str, str]) -> str:
    return " and ".join(f"{name!r} ({kind})" for name, kind in attributes.items())


def _example(attributes: Mapping[str, str]) -> str:
    placeholders = ("{id}", "{part}")
    parts = {
        name: placeholder if kind == "text" else f"{placeholder[:-1]}:{kind}}}"
        for (name, kind), placeholder in zip(attributes.items(), placeholders, strict=False)
    }
    return repr(parts)


def _cause(has: Mapping[str, str], needs: Mapping[str, str]) -> str:
    """Say what differs, where it is easily overlooked."""
    if has == needs:
        return ", in another order (the partition key comes first)"
    if {name.lower(): kind for name, kind in has.items()} == {name.lower(): kind for name, kind in needs.items()}:
        return ", in different case (case matters)"
    if len(has) > len(needs) and needs.items() <= has.items():
        return ", without the sort key"
    if len(needs) > len(has) and has.items() <= needs.items():
        return ", with a sort key that the table does not have"
    return ""
