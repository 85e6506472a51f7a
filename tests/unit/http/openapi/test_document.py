"""The OpenAPI document of a pipeline: valid, whole, and with the collections' own schemas."""

import json
import re
from collections.abc import Iterator
from functools import cache
from inspect import unwrap
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from functions.api.app import stage
from tailrace import Collection, Pipeline, days
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.tagged_json import dumps
from tailrace.http.openapi.document import build_document, security
from tailrace.http.openapi.items import item_paths

PIPELINES = ["pipeline.definition", "tests.pipelines.orders", "tests.pipelines.measured", "tests.pipelines.anything"]


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(build_document(load_pipeline(f"{name}:pipeline"), security(None))))
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)


def pointed(whole: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        whole = whole[part.replace("~1", "/").replace("~0", "~")]
    return whole


@pytest.mark.parametrize("name", PIPELINES)
def test_it_is_openapi_3_1_and_refers_to_what_it_holds(name: str) -> None:
    assert not list(OPENAPI_31_VALIDATOR.iter_errors(document(name)))
    found = set(references(document(name)))
    assert found
    for reference in found:
        assert pointed(document(name), reference) is not None
    ids = [operation["operationId"] for _, operation in operations(document(name))]
    assert len(ids) == len(set(ids))


def operations(found: dict[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    for path, item in found["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield (method.upper(), path), item[method]


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.usefixtures("aws_env")
def test_it_holds_every_route_and_no_other(name: str) -> None:
    named = dict.fromkeys(ApiSettings.__struct_fields__, "x") | {"write_entrances": "on"}
    named |= {"tailrace_pipeline": f"{name}:pipeline"}
    pipeline = load_pipeline(f"{name}:pipeline")
    members = {
        "collection": [collection.name for collection in pipeline.collections],
        "name": [aggregate.name for aggregate in pipeline.aggregates],
    }
    served = set()
    for rule, methods in unwrap(stage(ApiSettings(**named)))._methods.items():
        path = rule.replace("<escaped>", "{id}")
        variable = re.search(r"<(\w+)>", path)
        for own in members[variable[1]] if variable else [""]:
            if rule.endswith("/groups") and pipeline.aggregate(own).group_list is None:
                continue  # answered, but only to say that there is no list
            served |= {(method, re.sub(r"<\w+>", own, path)) for method in methods}
    assert {place for place, _ in operations(document(name))} == served


def test_an_items_schema_is_the_collections_own_with_its_references() -> None:
    found = document("pipeline.definition")
    schema = found["components"]["schemas"]["flights-item"]
    assert schema["properties"]["dep_time"] == {"$ref": "#/components/schemas/flights-item/$defs/clock"}
    validator = Draft202012Validator({"$ref": "#/components/schemas/flights-item"} | found)
    flight = {
        "carrier": "EV", "flight": 4166, "origin": "EWR", "dest": "GSP", "distance": 594, "status": "departed",
        "scheduled_departure": "2013-12-24T06:00:00-05:00", "sched_arr_time": 803, "dep_time": 2500, "dep_delay": 0,
    }  # fmt: skip
    assert [list(error.absolute_path) for error in validator.iter_errors(flight)] == [["dep_time"]]
    assert validator.is_valid(flight | {"dep_time": 600})


def test_what_only_looks_like_a_reference_is_left_alone() -> None:
    schema = {
        "type": "object",
        "properties": {
            "$ref": {"const": {"$ref": "#/x"}},
            "b": {"$ref": "#/properties/c"},
            "c": {"enum": [{"$ref": "#"}]},
        },
        "examples": [{"$ref": "#"}],
    }
    made = build_document(Pipeline(collections=[Collection("odd", schema=schema)]), security(None))
    found = made["components"]["schemas"]["odd-item"]
    assert found["properties"]["b"] == {"$ref": "#/components/schemas/odd-item/properties/c"}
    assert (found["examples"], found["properties"]["c"]) == (schema["examples"], {"enum": [{"$ref": "#"}]})
    assert found["properties"]["$ref"] == {"const": {"$ref": "#/x"}}


def test_it_says_how_requests_are_signed() -> None:
    pipeline = load_pipeline("tests.pipelines.anything:pipeline")
    by_token = build_document(pipeline, security("https://login.example/pool/"))
    assert by_token["components"]["securitySchemes"] == {
        "token": {
            "type": "openIdConnect",
            "openIdConnectUrl": "https://login.example/pool/.well-known/openid-configuration",
        }
    }
    assert document("tests.pipelines.anything")["security"] == [{"signature": []}]


def test_an_ids_length_is_that_of_its_key() -> None:
    plain, own = (
        Collection(name, schema={}, key=key) for name, key in (("a", None), ("b", {"pk": "{x}", "sk": "{y}"}))
    )
    for collection, longest, form in ((plain, 1024, None), (own, 8192, "<x>/<y>")):
        (path,) = (one for one in item_paths(collection) if one.endswith("{id}"))
        schema = item_paths(collection)[path]["parameters"][0]["schema"]
        assert schema["maxLength"] == longest
        assert form is None or form in schema["description"]


def test_responses_may_hold_sets_and_binary_which_the_schema_sees_as_lists_and_texts() -> None:
    schema = {"properties": {"device": {"type": "string"}, "tags": {"type": "array"}}}
    fleet = Collection("fleet", schema=schema, key={"pk": "{device:binary}"})
    sent = {"device": b"\0", "tags": {"a"}}
    assert fleet.prepare(sent) == sent
    made = build_document(Pipeline(collections=[fleet]), security(None))
    body = {"device": {"~bytes": "AA=="}, "tags": {"~set": ["a"]}}
    assert json.loads(dumps(sent)) == body
    item = made["paths"]["/collections/fleet/items/{id}"]
    for method, status in (("put", "200"), ("put", "201"), ("patch", "200")):
        of_response = item[method]["responses"][status]["content"]["application/json"]["schema"]
        Draft202012Validator(of_response | {"components": made["components"]}).validate(body)


def test_it_says_when_an_item_expires_by_default() -> None:
    kept = Collection("kept", schema={}, keep=days(1), keep_from="placed.at")
    for collection, default in (
        (Collection("plain", schema={}), "it never expires."),
        (kept, "it is counted from `placed.at`, if the item has that."),
    ):
        (path,) = (one for one in item_paths(collection) if one.endswith("{id}"))
        (found,) = (one for one in item_paths(collection)[path]["put"]["parameters"] if one.get("name") == "expires_at")
        assert found["description"] == f"When TTL deletes the item; by default {default}"
