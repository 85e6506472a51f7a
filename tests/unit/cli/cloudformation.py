"""CloudFormation with one stack, and a command that asks it."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

import pytest

from cli import __main__ as command


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
        self.status = "CREATE_COMPLETE"
        self.code: str | None = None
        self.is_aws = True

    def answer(self, body: str) -> tuple[int, str]:
        code = self.code if self.code or "StackName=there&" in f"{body}&" else "ValidationError"
        if code:
            error = f"<Type>Sender</Type><Code>{code}</Code><Message>its own words</Message>"
            return 400, f"<ErrorResponse><Error>{error}</Error><RequestId>r</RequestId></ErrorResponse>"
        stack = f"<Outputs>{members('Output', self.outputs)}</Outputs>"
        stack += f"<Parameters>{members('Parameter', self.parameters)}</Parameters>"
        stack += "<StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/there/id</StackId>"
        stack += f"<StackStatus>{self.status}</StackStatus>"
        found = f"<Stacks><member><StackName>there</StackName>{stack}</member></Stacks>"
        return (
            200,
            f"<DescribeStacksResponse><DescribeStacksResult>{found}</DescribeStacksResult></DescribeStacksResponse>",
        )


class _Handler(BaseHTTPRequestHandler):
    server: CloudFormation

    def do_POST(self) -> None:
        status, text = self.server.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if self.server.is_aws:
            self.send_header("x-amzn-RequestId", "r")
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST  # noqa: N815 - the name is that of the base class

    def log_message(self, *_arguments: Any) -> None:
        pass


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command, which must fail; return its status and its error output."""
    status = command.main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


ASK = ["dashboard", "--stack", "there"]
