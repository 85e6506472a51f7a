"""The `tailrace` command: it finds the stack, says in one sentence what is wrong, and ends in order."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import urllib3

from cli import __main__ as command
from cli import browser, dashboard
from cli.errors import CommandError, UsageError
from cli.stacks import find_stack
from tests.unit.cli.conftest import CREDENTIALS, REGION, FakeApi

ROOT = Path(__file__).parents[3]
SECONDS = 20


def members(name: str, pairs: Mapping[str, str]) -> str:
    """Return a list of CloudFormation's, such as that of a stack's outputs."""
    return "".join(
        f"<member><{name}Key>{key}</{name}Key><{name}Value>{escape(value)}</{name}Value></member>"
        for key, value in pairs.items()
    )


class CloudFormation(ThreadingHTTPServer):
    """DescribeStacks of one stack, `there`; or an error of a code."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.outputs: dict[str, str] = {}
        self.parameters: dict[str, str] = {"JwtIssuer": ""}
        self.code: str | None = None

    def answer(self, body: str) -> tuple[int, str]:
        code = self.code if self.code or "StackName=there&" in f"{body}&" else "ValidationError"
        if code:
            error = f"<Type>Sender</Type><Code>{code}</Code><Message>its own words</Message>"
            return 400, f"<ErrorResponse><Error>{error}</Error><RequestId>r</RequestId></ErrorResponse>"
        stack = f"<Outputs>{members('Output', self.outputs)}</Outputs>"
        stack += f"<Parameters>{members('Parameter', self.parameters)}</Parameters>"
        found = f"<Stacks><member><StackName>there</StackName>{stack}</member></Stacks>"
        return (
            200,
            f"<DescribeStacksResponse><DescribeStacksResult>{found}</DescribeStacksResult></DescribeStacksResponse>",
        )


class _Handler(BaseHTTPRequestHandler):
    server: CloudFormation

    def do_POST(self) -> None:
        status, text = self.server.answer(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CloudFormation]:
    """Run it, and give the SDK the keys and the region that lead to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with CloudFormation() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        for name, value in {
            "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_key,
            "AWS_SESSION_TOKEN": str(CREDENTIALS.token),
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_CLOUDFORMATION": running.url,
            "CI": "true",  # nobody looks at a browser
        }.items():
            monkeypatch.setenv(name, value)
        yield running
        running.shutdown()
        thread.join()


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command, which is to fail; return its status and what it said."""
    status = command.main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


ASK = ["dashboard", "--stack", "there"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredToken", "The AWS credentials have expired: sign in anew (`aws sso login`), or set fresh ones."),
        ("RequestExpired", "The AWS credentials have expired: sign in anew (`aws sso login`), or set fresh ones."),
        ("InvalidClientTokenId", "AWS does not know these credentials, or not in this partition"),
        ("SignatureDoesNotMatch", "AWS does not know these credentials, or not in this partition"),
        ("AccessDenied", "These credentials may not do DescribeStacks, which it takes to find the stack 'there' in"),
        ("SomethingElse", "AWS does not tell of the stack 'there' in eu-west-1: SomethingElse: its own words"),
    ],
)
def test_what_aws_refuses_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], code: str, sentence: str
) -> None:
    cloudformation.code = code
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith(f"tailrace: {sentence}")
    assert text.count("\n") == 1


def test_a_stack_that_is_not_there_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(["dashboard", "--stack", "elsewhere"], capsys)
    assert status == 1
    assert text.startswith("tailrace: There is no stack 'elsewhere' in eu-west-1: look at its name")


def test_missing_credentials_are_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith("tailrace: There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half of them")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "There are no AWS credentials" in said(ASK, capsys)[1]


def test_a_missing_region_or_profile_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no AWS profile 'none' in your configuration." in said([*ASK, "--profile", "none"], capsys)[1]
    assert "Which region?" in said([*ASK, "--region", "not a region"], capsys)[1]
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDFORMATION")
    assert "Which region? Give --region" in said(ASK, capsys)[1]


def test_a_sign_in_that_is_over_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))  # where nobody has signed in
    lines = ["[profile sso]", "sso_start_url = https://sso.example", "sso_region = eu-west-1"]
    lines += ["sso_account_id = 000000000000", "sso_role_name = reader"]
    (tmp_path / "config").write_text("\n".join(lines), encoding="utf-8")
    status, text = said([*ASK, "--profile", "sso"], capsys)
    assert status == 1
    assert text.startswith("tailrace: The AWS credentials cannot be had; sign in anew (`aws sso login`):")


def test_no_network_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith("tailrace: AWS does not answer when asked for the stack 'there' in eu-west-1")


def test_a_stack_that_takes_tokens_is_told_plainly(cloudformation: CloudFormation) -> None:
    cloudformation.outputs["ApiUrl"] = "https://api.example"
    cloudformation.parameters["JwtIssuer"] = "https://login.example"
    stack = find_stack("there", None, None)
    with pytest.raises(
        CommandError, match=r"takes tokens of https://login\.example, and no signatures: deploy it with"
    ):
        dashboard.find_upstream(stack)
    cloudformation.outputs["DashboardUrl"] = "https://api.example/dashboard"
    with pytest.raises(CommandError, match=r"and no signatures: open https://api\.example/dashboard\."):
        dashboard.find_upstream(find_stack("there", None, None))


def test_a_stack_of_something_else_is_told(cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str]) -> None:
    cloudformation.outputs["BucketName"] = "b"
    assert "The stack 'there' has no output ApiUrl" in said(ASK, capsys)[1]


def test_a_busy_port_is_one_sentence(
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
        f"tailrace: Port {port} of 127.0.0.1 cannot be served on: Address already in use. Choose another by --port.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dashboard"], "the following arguments are required: --stack"),
        (["dashboard", "--stack", "a_b"], "a stack's name has letters, digits and hyphens, and 'a_b' has not"),
        (["dashboard", "--stack", "a" * 129], "a stack's name has"),
        (["dashboard", "--stack", "a", "--port", "0"], "a port is a whole number from 1 to 65535, and '0' is none"),
        (["dashboard", "--stack", "a", "--port", "9" * 9999], "a port is a whole number"),
        (["dashboard", "--stack", "a", "--port", "٣"], "a port is a whole number"),
    ],
)
def test_a_request_that_makes_no_sense_is_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--help"], ("dashboard", "status: 0")),
        (["dashboard", "--help"], ("--stack", "--region", "--profile", "--port", "--no-open", "execute-api:Invoke")),
    ):
        with pytest.raises(SystemExit) as ended:
            command.main(arguments)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert all(word in told for word in words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_ended_and_leaves_no_port(
    cloudformation: CloudFormation, api: FakeApi, number: signal.Signals
) -> None:
    """The whole of it: the stack is found, the page is there, and the API is asked with a signature that holds."""
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
def test_a_browser_is_opened_on_a_desktop_only(platform: str, variables: dict[str, str], has_one: bool) -> None:
    assert browser.has_desktop(variables, platform) is has_one
