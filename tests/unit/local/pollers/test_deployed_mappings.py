"""What is read of a deployed mapping: its properties, its function, and the alias and version of that."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from local.deployment import mappings
from local.errors import DeployFailed
from local.pollers.emulator_client import EmulatorClient
from local.pollers.source_poller import SourcePoller

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:tailrace-fanout"


class Handler(BaseHTTPRequestHandler):
    paths: list[str] = []  # noqa: RUF012 - one server at a time

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.paths.append(self.path)
        self.send_response(200)
        if "?Qualifier=" in self.path:
            self.send_header("X-Amz-Executed-Version", "7")
        if "fails" in self.path:
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def emulator() -> Iterator[EmulatorClient]:
    Handler.paths.clear()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        client = EmulatorClient(f"http://127.0.0.1:{server.server_port}")
        yield client
        client.close()
        server.shutdown()


@pytest.mark.parametrize("function", ["works", "fails"])
@pytest.mark.parametrize(("qualifier", "version"), [(None, "$LATEST"), ("live", "7")])
def test_the_version_that_ran_is_known_to_the_mapping(
    emulator: EmulatorClient, function: str, qualifier: str | None, version: str
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""
    mapping = mappings.EventSourceMapping("Mapping", "uuid", function, FUNCTION, "arn", 60, {}, qualifier)
    poller: SourcePoller[object] = SourcePoller(mapping, emulator, calls=1)
    result = poller._invoke_or_throttle(b"{}")
    assert getattr(result, "version", None) == version
    suffix = "" if qualifier is None else "?Qualifier=live"
    assert Handler.paths == [f"/2015-03-31/functions/{function}/invocations{suffix}"]


class Services:
    """A deployed stack with one mapping."""

    def __init__(self, function_arn: str) -> None:
        self.function_arn = function_arn
        self.asked: dict[str, str] = {}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{}]}

    def get_template(self, **_: str) -> dict[str, Any]:
        properties = {"FunctionName": "any", "BatchSize": {"Ref": "Size"}, "TumblingWindowInSeconds": 900}
        return {"TemplateBody": {"Resources": {"Mapping": {"Properties": properties}}}}

    def describe_stack_resources(self, **_: str) -> dict[str, Any]:
        resource = {"LogicalResourceId": "Mapping", "PhysicalResourceId": "uuid", "ResourceType": mappings.MAPPING_TYPE}
        return {"StackResources": [resource]}

    def list_event_source_mappings(self) -> dict[str, Any]:
        mapping = {"UUID": "uuid", "FunctionArn": self.function_arn, "EventSourceArn": "arn:aws:dynamodb:stream"}
        return {"EventSourceMappings": [mapping | {"StartingPosition": "LATEST", "BatchSize": 7}]}

    def get_function_configuration(self, **asked: str) -> dict[str, Any]:
        self.asked = asked
        return {"Timeout": 60}


@pytest.mark.parametrize("qualifier", [None, "live", "7"])
def test_the_function_of_a_mapping_is_told_from_its_alias(
    qualifier: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(FUNCTION if qualifier is None else f"{FUNCTION}:{qualifier}")
    monkeypatch.setattr(mappings, "client", lambda *_: services)
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert (found.function, found.qualifier, found.function_arn) == (
        "tailrace-fanout",
        qualifier,
        services.function_arn,
    )
    version = {} if qualifier is None else {"Qualifier": qualifier}
    assert services.asked == {"FunctionName": "tailrace-fanout", **version}


def test_a_mapping_has_the_properties_of_the_template_and_none_that_the_emulator_adds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mappings, "client", lambda *_: Services(FUNCTION))
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert found.properties == {"BatchSize": 7, "TumblingWindowInSeconds": 900}


@pytest.mark.parametrize(("seconds", "window"), [("0", 900), ("60", "60")])
def test_a_property_may_depend_on_whether_a_parameter_is_set(
    seconds: str, window: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the length of windows does on WriteBehindSeconds."""

    class Conditional(Services):
        def describe_stacks(self, **_: str) -> dict[str, Any]:
            return {"Stacks": [{"Parameters": [{"ParameterKey": "Seconds", "ParameterValue": seconds}]}]}

        def get_template(self, **_: str) -> dict[str, Any]:
            chosen = {"Fn::If": ["Waits", {"Ref": "Seconds"}, 900]}
            properties = {"FunctionName": "any", "TumblingWindowInSeconds": chosen}
            conditions = {"Waits": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Seconds"}, 0]}]}}
            return {"TemplateBody": {"Conditions": conditions, "Resources": {"Mapping": {"Properties": properties}}}}

    monkeypatch.setattr(mappings, "client", lambda *_: Conditional(FUNCTION))
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert found.properties == {"TumblingWindowInSeconds": window}


def test_a_property_that_depends_on_anything_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unknown(Services):
        def get_template(self, **_: str) -> dict[str, Any]:
            properties = {"FunctionName": "any", "TumblingWindowInSeconds": {"Fn::If": ["Waits", 60, 900]}}
            return {"TemplateBody": {"Resources": {"Mapping": {"Properties": properties}}}}

    monkeypatch.setattr(mappings, "client", lambda *_: Unknown(FUNCTION))
    with pytest.raises(DeployFailed, match="Cannot resolve TumblingWindowInSeconds of Mapping"):
        mappings.list_mappings("http://127.0.0.1:1")
