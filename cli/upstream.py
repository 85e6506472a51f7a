"""A stack's API, asked with the user's own credentials: each request is signed (SigV4) and its answer handed back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as BodyTimeoutError

FORWARDED_HEADERS: Final = ("accept", "accept-encoding", "if-none-match")
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
    "vary",
)
"""Everything else, such as cookies, and what is between two machines only (RFC 9110, 7.6.1), stays where it is."""

MAX_CONNECTIONS = 16
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 35.0  # the gateway itself waits for 30 s
QUEUE_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 16 * 1024 * 1024  # an HTTP API answers 10 MB at most


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UpstreamError(Exception):
    """The API could not be asked, or has not answered; `status` is what a proxy says of it."""

    def __init__(self, status: int, name: str, title: str, detail: str = "") -> None:
        super().__init__(detail or title)
        self.status, self.name, self.title, self.detail = status, name, title, detail


def http_session(
    proxies: Mapping[str, str] | None = None, verify: bool | str = True, read_timeout_s: float = READ_TIMEOUT_S
) -> URLLib3Session:
    """Return a pool of connections: by these proxies, trusting a file's certificates or the usual ones."""
    untyped: Any = URLLib3Session  # its stubs know neither a bundle nor a pair of times
    pool: URLLib3Session = untyped(
        verify=verify,
        proxies=dict(proxies or {}),
        timeout=(CONNECT_TIMEOUT_S, read_timeout_s),
        max_pool_connections=MAX_CONNECTIONS,
    )
    return pool


class Upstream:
    """An API at a root address, without a slash at the end. Any number of threads may ask it."""

    def __init__(self, url: str, region: str, credentials: Credentials, session: URLLib3Session) -> None:
        self._url, self._region, self._credentials, self._session = url, region, credentials, session
        self._slots = BoundedSemaphore(MAX_CONNECTIONS)

    def get(self, path: str, query: str, headers: Mapping[str, str]) -> UpstreamResponse:
        """Ask for a path, which begins with a slash, as it was sent; return the answer.

        Raises:
            UpstreamError: there are no credentials any more, or no answer.
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
        # In the one form in which the signature is computed (RFC 3986): a browser writes a space as +, for example.
        pairs = parse_qsl(query, keep_blank_values=True)
        query_string = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)
        url = f"{self._url}{quote(unquote(path), safe='/-_.~')}" + (f"?{query_string}" if query_string else "")
        forwarded = {name: headers[name] for name in FORWARDED_HEADERS if name in headers}
        request = AWSRequest("GET", url, forwarded, stream_output=True)
        SigV4Auth(self._frozen_credentials(), "execute-api", self._region).add_auth(request)
        return request.prepare()

    def _frozen_credentials(self) -> ReadOnlyCredentials:
        try:
            return self._credentials.get_frozen_credentials()  # had anew where they end soon
        except (BotoCoreError, ClientError) as error:
            detail = f"sign in anew (`aws sso login`), and start this command again if need be: {error}"
            raise UpstreamError(502, "no-credentials", "The AWS credentials cannot be had any more", detail) from error

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
            raise UpstreamError(502, "too-large", "The API's answer is too large")
    if raw.length_remaining:  # botocore leaves it to us to look
        raise UpstreamError(502, "unreachable", "The API's answer broke off")
    return b"".join(parts)


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (ConnectTimeoutError, ReadTimeoutError, BodyTimeoutError) as error:
        raise UpstreamError(504, "no-answer", "The API does not answer in time") from error
    except (BotoCoreError, HTTPError) as error:
        raise UpstreamError(502, "unreachable", "The API cannot be reached", str(error)) from error
