"""The operations dashboard: valid, and with every function, queue, table, machine and alarm of the stack."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.architecture.parameters import deployed, of_type
from tests.architecture.stack import properties, resources, spelled, template
from tests.review.failure_paths import Path, from_code

NAMES = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.\w+)?\}")
WIDTH = 24
TITLES = ("Entrances", "Stages", "Lag", "Queues", "Failures", "History", "What costs money")
TEXT, VALUES = properties("Operations")["DashboardBody"]["Fn::Sub"]
ROUTES = ("Disruptions", "LateFlights")


def of_routes(value: Mapping[str, Any]) -> str:
    """Return what a value makes of the names of routes."""
    delimiter, names = value["Fn::Join"]
    assert names == {"Ref": "Routes"}
    return str(delimiter).join(ROUTES)


BODY = TEXT.replace("${Items}", "${ItemsTable}")
for variable in ("RouteNames", "DeadLetterNames"):
    BODY = BODY.replace(f"${{{variable}}}", of_routes(VALUES[variable]))
WIDGETS: list[dict[str, Any]] = json.loads(BODY)["widgets"]
OF_ROUTES = ("DisruptionsQueue", "DisruptionsDeadLetterQueue")
"""The queues of routes differ from definition to definition: their names come from the parameter Routes."""


def test_everything_that_runs_or_holds_is_on_it() -> None:
    """Nothing that a stack with the defaults has is forgotten."""
    shown = set(NAMES.findall(BODY))
    for kind in (
        "AWS::Serverless::Function",
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::Serverless::StateMachine",
    ):
        assert of_type(deployed(), kind).keys() <= shown, kind
    assert resources("AWS::SQS::Queue").keys() - set(OF_ROUTES) <= shown
    assert all(name in template()["Resources"] for name in shown)


def test_queues_of_routes_are_those_of_this_stack() -> None:
    """By their exact names: a search for tailrace would find the queues of tailrace-dev, too."""
    (variable,) = json.loads(BODY)["variables"]
    assert (variable["defaultValue"], variable["visible"]) == ("${AWS::StackName}", True)
    (widget,) = [one for one in WIDGETS if str(one["properties"].get("title", "")).startswith("Routes")]
    shown = [metric[-1].replace(variable["pattern"], "${AWS::StackName}") for metric in widget["properties"]["metrics"]]
    patterns = [spelled(properties(name)["QueueName"]) for name in OF_ROUTES]
    assert shown == [pattern.replace("Disruptions", route) for pattern in patterns for route in ROUTES]
    assert "SEARCH(" not in BODY


def test_every_alarm_is_on_it() -> None:
    """But for those of routes."""
    (alarms,) = [widget["properties"]["alarms"] for widget in WIDGETS if widget["type"] == "alarm"]
    expected = {name for name in of_type(deployed(), "AWS::CloudWatch::Alarm") if not name.startswith("Disruptions")}
    assert {NAMES.findall(alarm)[0] for alarm in alarms} == expected
    assert len(alarms) == len(expected)


def test_its_parts_are_in_the_order_of_the_flow_and_do_not_overlap() -> None:
    """CloudWatch moves widgets that overlap."""
    titles = [widget["properties"]["markdown"].removeprefix("## ") for widget in WIDGETS if widget["type"] == "text"]
    assert titles == list(TITLES)
    taken: set[tuple[int, int]] = set()
    for widget in WIDGETS:
        columns = range(widget["x"], widget["x"] + widget["width"])
        cells = {(x, y) for x in columns for y in range(widget["y"], widget["y"] + widget["height"])}
        assert not cells & taken
        assert max(columns) < WIDTH
        taken |= cells


def test_its_metrics_are_those_that_the_code_counts() -> None:
    """With the service that counts them."""
    own = [
        metric
        for widget in WIDGETS
        for metric in widget["properties"].get("metrics", [])
        if str(metric[0]).startswith("Tailrace/")
    ]
    assert own
    for _, name, dimension, service, _ in own:
        assert Path(name, service) in from_code()
        assert dimension == "service"


def test_it_can_be_left_out() -> None:
    """An account has three dashboards for nothing."""
    assert "Operations" in deployed()
    assert "Operations" not in deployed(OperationsDashboard="false")
