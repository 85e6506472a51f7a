"""The `tailrace` command: it finds the stack, reports errors in one sentence, and exits cleanly."""

import argparse
import importlib
import io
import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import urllib3

import cli
from cli import __main__ as command
from cli.console import make_state_folder, say, show_progress, state_folder, uninterrupted
from cli.dashboard import browser
from cli.dashboard import command as dashboard
from cli.errors import CommandError, UsageError
from cli.options import parse_count, parse_rate
from cli.stacks import find_stack, sign_in
from cli.test import command as test
from tests.unit.cli.conftest import CREDENTIALS, REGION, FakeApi

ROOT = Path(__file__).parents[3]
SECONDS = 20


def members(name: str, pairs: Mapping[str, str]) -> str:
    """Return a CloudFormation list in XML, such as a stack's outputs."""
    return "".join(
        f"<member><{name}Key>{key}</{name}Key><{name}Value>{escape(value)}</{name}Value></member>"
        for key, value in pairs.items()
    )


class CloudFormation(ThreadingHTTPServer):
    """DescribeStacks for one stack, `there`, or an error with a given code."""

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
        stack += "<StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/there/id</StackId>"
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
    """Run it, and point the SDK's environment to it."""
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
            "CI": "true",  # opens no browser
        }.items():
            monkeypatch.setenv(name, value)
        yield running
        running.shutdown()
        thread.join()


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command, which must fail; return its status and its error output."""
    status = command.main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


ASK = ["dashboard", "--stack", "there"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredToken", "The AWS credentials have expired: sign in again (`aws sso login`), or set new ones."),
        ("RequestExpired", "The AWS credentials have expired: sign in again (`aws sso login`), or set new ones."),
        ("InvalidClientTokenId", "AWS rejects these credentials, at least in this partition"),
        ("SignatureDoesNotMatch", "AWS rejects these credentials, at least in this partition"),
        (
            "AccessDenied",
            "These credentials lack permission for DescribeStacks, which is needed to find the stack 'there'",
        ),
        ("SomethingElse", "Cannot describe the stack 'there' in eu-west-1: SomethingElse: its own words"),
    ],
)
def test_an_error_of_aws_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], code: str, sentence: str
) -> None:
    cloudformation.code = code
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith(f"tailrace: {sentence}")
    assert text.count("\n") == 1


def test_an_unknown_stack_is_one_sentence(cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(["dashboard", "--stack", "elsewhere"], capsys)
    assert status == 1
    assert text.startswith("tailrace: There is no stack 'elsewhere' in eu-west-1: check the name")


def test_missing_credentials_are_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith("tailrace: No AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half of them")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "No AWS credentials found" in said(ASK, capsys)[1]


def test_a_missing_region_or_profile_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no AWS profile 'none' in your configuration." in said([*ASK, "--profile", "none"], capsys)[1]
    assert "No valid AWS region" in said([*ASK, "--region", "not a region"], capsys)[1]
    with monkeypatch.context() as patched:
        patched.setenv("AWS_PROFILE", "nobody")
        assert "There is no AWS profile 'nobody' in your configuration." in said(ASK, capsys)[1]
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDFORMATION")
    assert "No valid AWS region: pass --region" in said(ASK, capsys)[1]


def test_an_expired_sign_in_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))  # without a cached sign-in
    lines = ["[profile sso]", "sso_start_url = https://sso.example", "sso_region = eu-west-1"]
    lines += ["sso_account_id = 000000000000", "sso_role_name = reader"]
    (tmp_path / "config").write_text("\n".join(lines), encoding="utf-8")
    status, text = said([*ASK, "--profile", "sso"], capsys)
    assert status == 1
    assert text.startswith("tailrace: Cannot get AWS credentials; sign in again (`aws sso login`):")


@pytest.mark.parametrize(
    "setting",
    [
        "credential_process = /nonexistent/helper",
        "credential_process = echo no JSON",
        "credential_process = echo []",
        "role_arn = arn:aws:iam::000000000000:role/reader\nweb_identity_token_file = /nonexistent/token",
    ],
)
def test_a_broken_source_of_credentials_is_one_sentence(
    cloudformation: CloudFormation,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (tmp_path / "config").write_text(f"[profile helped]\n{setting}\n", encoding="utf-8")
    status, text = said([*ASK, "--profile", "helped"], capsys)
    assert status == 1
    assert text.startswith(
        "tailrace: Cannot get AWS credentials; check the programs and files that your AWS configuration names:"
    )
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ValidationError", "Cannot find the {}, because AssumeRole failed: ValidationError: its own words"),
        ("AccessDenied", "These credentials lack permission for AssumeRole, which is needed to find the {}."),
    ],
)
def test_a_role_that_cannot_be_assumed_is_one_sentence(
    cloudformation: CloudFormation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    """It is neither a missing stack nor a right that DynamoDB wants; the region need not be in the profile."""
    cloudformation.code = code
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloudformation.url)
    monkeypatch.delenv("AWS_REGION")
    lines = ["[profile role]", "role_arn = arn:aws:iam::000000000000:role/r", "credential_source = Environment"]
    (tmp_path / "config").write_text("\n".join(lines), encoding="utf-8")
    for find, what in ((find_stack, "stack 'there' in eu-west-1"), (sign_in, "table 't'")):
        with pytest.raises(CommandError) as raised:
            find("there" if find is find_stack else what, REGION, "role")
        assert str(raised.value) == sentence.format(what)


def test_no_network_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    status, text = said(ASK, capsys)
    assert status == 1
    assert text.startswith("tailrace: Cannot reach AWS to find the stack 'there' in eu-west-1")


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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dashboard"], "the following arguments are required: --stack"),
        (["dashboard", "--stack", "a_b"], "a stack name has up to 128 letters, digits and hyphens, not 'a_b'"),
        (["dashboard", "--stack", "a" * 129], "a stack name has"),
        (["plan", "--stack", "a_b"], "a stack name has up to 128 letters, digits and hyphens, not 'a_b'"),
        *(
            (["check", "--table", name], f"{name!r} is not the name of a table; pass its name, not its ARN: 3 to 255 ")
            for name in ("", "a b", "ab", "arn:aws:dynamodb:r:1:table/t")
        ),
        (["dashboard", "--stack", "a", "--port", "0"], "a port must be a whole number from 1 to 65535, not '0'"),
        (["dashboard", "--stack", "a", "--port", "9" * 9999], "a port must be a whole number"),
        (["dashboard", "--stack", "a", "--port", "٣"], "a port must be a whole number"),
    ],
)
def test_invalid_arguments_are_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--help"], ("dashboard", "redrive", "replay", "quarantine", "status: 0")),
        (["redrive", "--help"], ("--create", "--overwrite", "--newer-by", "--discard", "--dry-run", "--endpoint-url")),
        (["replay", "--help"], ("--from", "--to", "--restart", "--limit", "--rate")),
        (["quarantine", "--help"], ("list", "show", "replay")),
        (["dashboard", "--help"], ("--stack", "--region", "--profile", "--port", "--no-open", "execute-api:Invoke")),
    ):
        with pytest.raises(SystemExit) as ended:
            command.main(arguments)
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert all(word in told for word in words)


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


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_has_not_succeeded(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    """`tailrace test && make deploy` must not deploy."""
    monkeypatch.setattr(test, "load_definition", lambda _: os.kill(os.getpid(), number))
    assert command.main(["test"]) == status


def test_a_command_that_is_stopped_while_it_starts_prints_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules take half a second to import."""
    handled: list[object] = []
    monkeypatch.setattr("signal.signal", lambda *both: handled.append(both))
    importlib.reload(cli)
    assert not handled  # by who imports it, such as this test
    monkeypatch.setattr("sys.argv", ["-m"])
    importlib.reload(cli)
    assert handled == [(signal.SIGINT, signal.SIG_DFL)]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_step_takes_effect_after_it(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    done = []

    def step(_: str) -> None:
        with uninterrupted():
            os.kill(os.getpid(), number)
            done.append(True)

    monkeypatch.setattr(test, "load_definition", step)
    assert (command.main(["test"]), done) == (status, [True])


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "127.0.0.1:4566", "http://", "http://:4566", "http://127.0.0.1:99999", "ftp://a", "http://a/b"],
)
@pytest.mark.parametrize(
    "arguments",
    [["check", "--table", "tab"], ["plan"], *([*name.split(), "--stack", "s"] for name in (
        "rebuild", "verify", "status", "redrive", "quarantine list", "quarantine show x", "quarantine replay",
        "replay r --from 2026-01-01",
    ))],
)  # fmt: skip
def test_what_is_no_address_is_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str], url: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([*arguments, "--endpoint-url", url])
    assert ended.value.code == 2
    assert f"expected an address such as http://127.0.0.1:4566, not {url!r}" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://localhost:4566/", "https://aws.example.org", "http://[::1]:4566"])
def test_addresses_are_accepted(url: str) -> None:
    options = command.parser().parse_args(["status", "--stack", "s", "--endpoint-url", url])
    assert options.endpoint_url == url


def test_a_wrong_address_in_the_environment_is_one_sentence(
    cloudformation: CloudFormation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "localhost:4566")
    status, text = said(ASK, capsys)
    assert (status, text.count("\n")) == (1, 1)
    assert "check AWS_ENDPOINT_URL" in text


def test_a_state_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        CommandError, match=r"s\.r\.i, which remembers .* Not a directory\. Set XDG_STATE_HOME to a folder"
    ):
        make_state_folder(state_folder("s", "r", "arn:aws:cloudformation:r:1:stack/s/i"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with monkeypatch.context() as patched:
        patched.delenv("XDG_STATE_HOME")
        patched.setattr("os.path.expanduser", str)  # as for a user without a home
        with pytest.raises(
            CommandError, match=r"folder ~/\.local/state/.* there is no home folder\. Set XDG_STATE_HOME"
        ):
            make_state_folder(state_folder("s", "r", "arn:aws:cloudformation:r:1:stack/s/i"))
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(CommandError, match="it is not writable"):
        make_state_folder(state_folder("s", "r", "arn:aws:cloudformation:r:1:stack/s/i"))


@pytest.mark.parametrize(("width", "shown"), [(20, 19), (200, 50), (0, 50)])
def test_progress_takes_one_line_of_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int, shown: int) -> None:
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, width))
    with os.fdopen(follower, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        show_progress("x" * 50)
        assert os.read(leader, 1_000) == b"\r\033[K" + b"x" * shown
    os.close(leader)


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252", "utf-8"])
def test_json_stays_json_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """Python's own escapes, such as \\xe4, are none of JSON."""
    texts = ["ä", "€", "😀", "\ud800", "plain"]

    def run(_options: argparse.Namespace) -> int:
        say(json.dumps(texts, ensure_ascii=False))
        return 0

    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(test, "run", run)
    assert command.main(["test"]) == 0
    assert json.loads(written.getvalue().decode(encoding)) == texts


@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        (">/dev/full", "tailrace: The result cannot be printed: No space left on device.\n"),
        (">&-", "tailrace: The result cannot be printed: standard output is closed.\n"),
        (">&- 2>&-", ""),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(redirection: str, told: str) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.quote(sys.executable)} -P -m cli test --seconds 1 --items 20 {redirection}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, told)


@pytest.mark.parametrize(
    ("text", "rate"), [("0.5", 0.5), ("1000", 1_000), ("1,000", 1_000), ("1e6", 1e6), ("2.5E3", 2_500), ("1e9", 1e9)]
)
def test_a_rate_is_a_number_as_people_write_it(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e10", "9999999999", "1,00", "1e", "٣", "1" * 9999])
def test_what_is_no_rate_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a positive number, at most 1,000,000,000, not"):
        parse_rate(text)


def test_a_count_that_is_too_large_is_refused_with_the_limit() -> None:
    assert parse_count("999999999") == 999_999_999
    with pytest.raises(argparse.ArgumentTypeError, match="a positive whole number, at most 999,999,999, not '10000000"):
        parse_count("1000000000")
