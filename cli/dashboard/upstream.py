"""Client of a stack's API: signs each request (SigV4) with the user's credentials and returns the response."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from msgspec import Struct
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as BodyTimeoutError

from cli.credentials import freeze
from cli.errors import NO_CREDENTIALS

FORWARDED_HEADERS: Final = ("accept", "accept-encoding", "if-match", "if-none-match")
RETURNED_HEADERS: Final = (
    "allow",
    "cache-control",
    "content-encoding",
    "content-type",
    "etag",
    "link",
    "location",
    "retry-after",
    "server-timing",
    "tailrace-freshness",
    "tailrace-generation",
    "tailrace-left-out",
    "vary",
)
"""All other headers, such as cookies and hop-by-hop headers (RFC 9110, 7.6.1), are dropped."""

MAX_CONNECTIONS = 16
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 35.0  # the gateway waits for up to 30 s
QUEUE_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 16 * 1024 * 1024  # an HTTP API returns 10 MB at most


class UpstreamResponse(Struct, frozen=True):
    """A response of the API."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UpstreamError(Exception):
    """The API could not be called or did not respond; `status` is the proxy's HTTP status for that."""

    def __init__(self, status: int, name: str, title: str, detail: str = "") -> None:
        super().__init__(detail or title)
        self.status, self.name, self.title, self.detail = status, name, title, detail


def http_session(
    proxies: Mapping[str, str] | None = None, verify: bool | str = True, read_timeout_s: float = READ_TIMEOUT_S
) -> URLLib3Session:
    """Return a connection pool; `verify` is a CA bundle, or True for the default one."""
    untyped: Any = URLLib3Session  # its stubs allow neither a CA bundle nor a pair of timeouts
    pool: URLLib3Session = untyped(
        verify=verify,
        proxies=dict(proxies or {}),
        timeout=(CONNECT_TIMEOUT_S, read_timeout_s),
        max_pool_connections=MAX_CONNECTIONS,
    )
    return pool


class Upstream:
    """An API at a root URL without trailing slash. Thread-safe."""

    def __init__(self, url: str, region: str, credentials: Credentials, session: URLLib3Session) -> None:
        self._url, self._region, self._credentials, self._session = url, region, credentials, session
        self._slots = BoundedSemaphore(MAX_CONNECTIONS)

    def get(self, path: str, query: str, headers: Mapping[str, str]) -> UpstreamResponse:
        """GET a path, which begins with a slash and is still percent-encoded.

        Raises:
            UpstreamError: the credentials cannot be refreshed, or there is no valid response.
        """
        with _translated_errors(), self._connection_slot():
            response = self._session.send(self._signed(path, query, headers))
            body = _body(response.raw)
        returned = {name: response.headers[name] for name in RETURNED_HEADERS if name in response.headers}
        return UpstreamResponse(response.status_code, returned, body)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _signed(self, path: str, query: str, headers: Mapping[str, str]) -> Any:
        # Normalized to the encoding that is signed (RFC 3986): a browser encodes a space as +, for example.
        pairs = parse_qsl(query, keep_blank_values=True)
        query_string = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)
        url = f"{self._url}{quote(unquote(path), safe='/-_.~')}" + (f"?{query_string}" if query_string else "")
        forwarded = {name: headers[name] for name in FORWARDED_HEADERS if name in headers}
        request = AWSRequest("GET", url, forwarded, stream_output=True)
        SigV4Auth(self._frozen_credentials(), "execute-api", self._region).add_auth(request)
        return request.prepare()

    def _frozen_credentials(self) -> ReadOnlyCredentials:
        try:
            return freeze(self._credentials)
        except (BotoCoreError, ClientError, *NO_CREDENTIALS) as error:
            detail = f"sign in again (`aws sso login`), and restart this command if that does not help: {error}"
            raise UpstreamError(502, "no-credentials", "The AWS credentials cannot be refreshed", detail) from error

    @contextmanager
    def _connection_slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=QUEUE_TIMEOUT_S):
            raise UpstreamError(503, "busy", "Too many requests are waiting for the API")
        try:
            yield
        finally:
            self._slots.release()


def _body(raw: BaseHTTPResponse) -> bytes:
    parts, size = [], 0
    for part in raw.stream(decode_content=False):
        parts.append(part)
        size += len(part)
        if size > MAX_RESPONSE_BYTES:
            raw.close()
            raise UpstreamError(502, "too-large", "The API's response is too large")
    if raw.length_remaining:  # botocore does not check this
        raise UpstreamError(502, "unreachable", "The API's response is incomplete")
    return b"".join(parts)


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (ConnectTimeoutError, ReadTimeoutError, BodyTimeoutError) as error:
        raise UpstreamError(504, "no-answer", "The API does not respond in time") from error
    except (BotoCoreError, HTTPError) as error:
        raise UpstreamError(502, "unreachable", "The API cannot be reached", str(error)) from error
