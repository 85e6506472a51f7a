"""The loopback server passes requests to the handler as an HTTP API does."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from local.in_memory.http_api import HttpApiServer, http_api_event


@pytest.fixture
def gateway() -> Iterator[HttpApiServer]:
    def echo(event: dict[str, Any], _context: Any) -> dict[str, Any]:
        status = int(event["rawQueryString"] or 200)
        text = f"{event['requestContext']['http']['method']} {event['rawPath']} {event.get('body')}"
        return {"statusCode": status, "headers": {"X-Seen": event["headers"]["x-sent"]}, "body": text}

    with HttpApiServer(echo) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST", "DELETE", "TRACE", "QUERY"])
def test_any_method_reaches_the_handler(gateway: HttpApiServer, method: str) -> None:
    response = urllib3.request(
        method, f"{gateway.url}/a%20b/%25c", headers={"X-Sent": "1"}, body="é" if method == "PUT" else None
    )
    assert (response.status, response.headers["X-Seen"]) == (200, "1")
    assert response.data.decode() == f"{method} /a b/%c {'é' if method == 'PUT' else None}"


def test_a_response_without_a_body_keeps_the_connection_usable(gateway: HttpApiServer) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", gateway.server_port, maxsize=1) as pool:
        for status in (204, 304, 404):
            response = pool.request("GET", f"/?{status}", headers={"X-Sent": "1"}, retries=False)
            assert (response.status, len(response.data) > 0) == (status, status == 404)


# https://github.com/hotsock/voker/blob/main/vokerhttp/testdata/ingress-paths.json
@pytest.mark.parametrize(
    ("sent", "seen"),
    [("/a%2Fb", "/a/b"), ("/a%252Fb", "/a/b"), ("/a%3Fb", "/a"), ("/%C3%A9", "/é"), ("/a?b=%2F", "/a")],
)
def test_paths_are_decoded_as_on_aws(sent: str, seen: str) -> None:
    event = http_api_event("GET", sent, {"Host": "x"}, b"")
    assert (event["rawPath"], event["headers"], "body" in event) == (seen, {"host": "x"}, False)


def test_a_binary_body_is_base64_encoded() -> None:
    event = http_api_event("PUT", "/", {}, b"\xff")
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
