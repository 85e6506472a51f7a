"""Routes need no line of template: `make stack` gives each its queue, dead-letter queue, alarm and health entry."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli import __main__ as command
from local.deployment import deploy
from local.errors import DeployFailed
from tests.openapi.conformance import FLIGHT
from tests.stack.checkout import Checkout, checked_out

SECONDS = 120.0
ITEMS = 6
ROUTES = 'routes=[Route("disruptions", of=flights, when=is_disrupted)]'
MORE = """routes=[
        Route("every-flight", of=flights, when=lambda flight: True),
        Route("to_gsp", of=flights, when=lambda flight: flight["dest"] == "GSP"),
    ]"""
DEPLOYED = "Deployed the changed definition"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with checked_out(tmp_path_factory.mktemp("checkout")) as made:
        yield made


def test_routes_come_and_go_without_a_line_of_template(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    checkout.start("--port", str(checkout.port))
    template = (checkout.folder / "template.yaml").read_text()
    saves(checkout, ROUTES, MORE)
    checkout.put({str(number): FLIGHT | {"flight": number + 1} for number in range(ITEMS)})
    checkout.wait_until(lambda: [one["changes"] for one in health(checkout)] == [ITEMS, ITEMS], SECONDS)
    assert (checkout.folder / "template.yaml").read_text() == template
    one_subscriber_works_and_the_other_fails(checkout)
    the_failure_is_seen(checkout)
    puts_back(checkout, capsys)
    refuses_a_parameter_that_differs(checkout)
    keeps_the_messages_of_a_removed_route(checkout)


def saves(checkout: Checkout, old: str, new: str, expected: str = DEPLOYED) -> None:
    """Save a changed definition, and wait for what is said."""
    said = len(checkout.log)
    checkout.edit(old, new)
    checkout.wait_until(lambda: expected in checkout.log[said:], SECONDS)


def health(checkout: Checkout) -> Sequence[Mapping[str, Any]]:
    """Return what /health says of the routes."""
    found: Sequence[Mapping[str, Any]] = checkout.get("health")["routes"]
    return found


def sqs(checkout: Checkout) -> Any:
    return deploy.client("sqs", checkout.about["endpoint"])


def received(checkout: Checkout, output: str, *, works: bool = True, url: str = "") -> set[str]:
    """Receive until nothing is left; a subscriber that works deletes what it receives, the other makes it visible."""
    queue = url or checkout.about["outputs"][output]
    found: set[str] = set()
    while messages := sqs(checkout).receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            handle = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
            found.add(json.loads(message["Body"])["subject"])
            if works:
                sqs(checkout).delete_message(**handle)
            else:
                sqs(checkout).change_message_visibility(**handle, VisibilityTimeout=0)
    return found


def one_subscriber_works_and_the_other_fails(checkout: Checkout) -> None:
    subjects = {str(number) for number in range(ITEMS)}
    assert received(checkout, "ToGspQueue") == subjects
    assert received(checkout, "EveryFlightQueue", works=False) == subjects


def the_failure_is_seen(checkout: Checkout) -> None:
    """In the dead-letter queue, by health, and by the alarm that watches this queue."""
    failed = {"name": "every-flight", "waiting": 0, "in_work": 0, "failed": ITEMS, "changes": ITEMS}
    quiet = {"name": "to_gsp", "waiting": 0, "in_work": 0, "failed": 0, "changes": ITEMS}
    checkout.wait_until(lambda: health(checkout) == [failed, quiet], SECONDS)
    described = deploy.client("cloudwatch", checkout.about["endpoint"]).describe_alarms()["MetricAlarms"]
    for route in ("EveryFlight", "ToGsp"):
        (alarm,) = [one for one in described if f"{route}DeadLetterAlarm" in one["AlarmName"]]
        url = checkout.about["outputs"][f"{route}DeadLetterQueue"]
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": url.rsplit("/", 1)[1]}]
        assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"


def tailrace(checkout: Checkout, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command, and return what it prints."""
    stack = ["--stack", "tailrace", "--endpoint-url", checkout.about["endpoint"]]
    assert command.main([*arguments, *stack]) == 0
    return capsys.readouterr().out


def puts_back(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    """`redrive` knows the routes, and `replay` those with an underscore as well."""
    assert f"every-flight {ITEMS} failures" in tailrace(checkout, capsys, "redrive")
    assert f"{ITEMS} put back" in tailrace(checkout, capsys, "redrive", "every-flight")
    assert len(received(checkout, "EveryFlightQueue")) == ITEMS
    span = ("--from", "2000-01-01", "--to", "2100-01-01")
    checkout.wait_until(
        lambda: f"{ITEMS} events sent" in tailrace(checkout, capsys, "replay", "to_gsp", *span, "--restart"), SECONDS
    )
    assert len(received(checkout, "ToGspQueue")) == ITEMS


def refuses_a_parameter_that_differs(checkout: Checkout) -> None:
    """The deployment fails, says which value it needs, and leaves the stack as it was."""
    builds = [path for path in (checkout.folder / ".tailrace" / "builds").iterdir() if path.is_dir()]
    newest = max(builds, key=lambda path: path.stat().st_mtime)
    needed = r"lacks ToGsp and names Old, not among the definition's routes: it must be Routes=EveryFlight,ToGsp\."
    with pytest.raises(DeployFailed, match=needed):
        deploy.deploy(checkout.about["endpoint"], newest, {"Routes": "EveryFlight,Old"})
    assert [one["name"] for one in health(checkout)] == ["every-flight", "to_gsp"]


def keeps_the_messages_of_a_removed_route(checkout: Checkout) -> None:
    """They can be read when their route is gone, and are not overwritten when it comes back."""
    url = checkout.about["outputs"]["EveryFlightQueue"]
    sqs(checkout).send_message(QueueUrl=url, MessageBody=json.dumps({"subject": "unread"}))
    saves(checkout, MORE, ROUTES)
    assert "EveryFlightQueue" not in checkout.about["outputs"]
    assert [one["name"] for one in health(checkout)] == ["disruptions"]
    saves(checkout, ROUTES, MORE, "The queue tailrace_EveryFlight still holds 1 message of an earlier route")
    assert [one["name"] for one in health(checkout)] == ["disruptions"]
    assert received(checkout, "", url=url) == {"unread"}
    saves(checkout, MORE, MORE + "  # read")
    assert [one["name"] for one in health(checkout)] == ["every-flight", "to_gsp"]
