"""How long the handler took is told with each answer, by the clock that it is given."""

from typing import Any

import pytest

from tailrace.aws.api.server_timing import timed
from tests.api_client import request, send
from tests.unit.aws.conftest import Cloud


def test_an_answer_tells_how_many_milliseconds_it_took() -> None:
    readings = iter([1000.0, 1000.01234, 2000.0, 2001.5, 7.0, 7.0])
    answer: dict[str, Any] = {"statusCode": 200, "headers": {"ETag": '"1"'}, "body": "{}"}
    answering = timed(lambda _event, _context: answer | {"headers": dict(answer["headers"])}, readings.__next__)
    for told in ("handler;dur=12.3", "handler;dur=1500.0", "handler;dur=0.0"):
        assert answering(request("GET", "/"), None) == answer | {"headers": {"ETag": '"1"', "Server-Timing": told}}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/health", 200), ("GET", "/nothing", 404), ("POST", "/health", 405), ("DELETE", "/aggregates", 405)],
)
def test_refusals_tell_it_too(cloud: Cloud, method: str, path: str, status: int) -> None:
    """That the header is there, and has the form that it should have, is looked at in `send`."""
    assert send(method, path)["statusCode"] == status
    assert cloud.items() == {}
