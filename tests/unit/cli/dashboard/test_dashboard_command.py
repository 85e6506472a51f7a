"""`tailrace dashboard`: it finds the API, serves until it is stopped, and opens a browser only where there is one."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from cli.dashboard import browser
from cli.dashboard import command as dashboard
from cli.errors import CommandError, UsageError
from cli.stacks import find_stack
from tests.unit.cli.cloudformation import ASK, CloudFormation, said
from tests.unit.cli.conftest import REGION, FakeApi

ROOT = Path(__file__).parents[4]
SECONDS = 20


def test_a_stack_that_takes_tokens_is_one_sentence(cloudformation: CloudFormation) -> None:
    cloudformation.outputs["ApiUrl"] = "https://api.example"
    cloudformation.parameters["JwtIssuer"] = "https://login.example"
    stack = find_stack("there", None, None)
    with pytest.raises(
        CommandError, match=r"accepts tokens of https://login\.example instead of signatures: deploy it"
    ):
        dashboard.find_upstream(stack)
    cloudformation.outputs["DashboardUrl"] = "https://api.example/dashboard"
    with pytest.raises(CommandError, match=r"instead of signatures: open https://api\.example/dashboard\."):
        dashboard.find_upstream(find_stack("there", None, None))


def test_a_stack_without_an_api_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudformation.outputs["BucketName"] = "b"
    assert "The stack 'there' has no output ApiUrl" in said(ASK, capsys)[1]


def test_a_port_in_use_is_one_sentence(
    cloudformation: CloudFormation, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    cloudformation.outputs["ApiUrl"] = api.url
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        status, text = said([*ASK, "--port", str(port)], capsys)
    assert status == UsageError.status == 2
    assert text == (
        f"tailrace: Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port with --port.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped_and_frees_the_port(
    cloudformation: CloudFormation, api: FakeApi, number: signal.Signals
) -> None:
    """End to end: the stack is found, the page is served, and the API gets a valid signature."""
    cloudformation.outputs["ApiUrl"] = f"{api.url}/"
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *ASK],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = process.stdout.readline()
    assert told.startswith(f"The dashboard of there ({REGION}) is at http://127.0.0.1:"), process.communicate()
    address = told.split(" is at ")[1].strip()
    with urllib3.PoolManager() as pool:
        page = pool.request("GET", address, redirect=False, retries=False)
        cookie = page.headers["Set-Cookie"].split(";")[0]
        root = address.split("?")[0]
        config = pool.request("GET", f"{root}config.json").json()
        given = {"api": "./api", "refresh_s": 5, "title": "there", "auth": None, "reference": "./reference.html"}
        assert config == given
        assert pool.request("GET", f"{root}main.js").status == 200
        asked = pool.request("GET", f"{root}api/aggregates", headers={"Cookie": cookie})
        assert (asked.status, asked.data) == (200, api.body)
    process.send_signal(number)
    _, error = process.communicate(timeout=SECONDS)
    assert (process.returncode, error) == (0, "")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(root.split(":")[2].strip("/")))) != 0


@pytest.mark.parametrize(
    ("platform", "variables", "has_one"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, False),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "there"}, False),
        ("darwin", {"CI": "1"}, False),
    ],
)
def test_a_browser_is_opened_only_on_a_desktop(platform: str, variables: dict[str, str], has_one: bool) -> None:
    assert browser.has_desktop(variables, platform) is has_one
