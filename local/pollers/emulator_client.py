"""Calls to the emulator as plain HTTP and JSON, for the pollers.

Every record passes through twice (GetRecords, then Invoke). boto3 processes each value by its service model, which
takes more time than everything else together. All other code uses boto3 (`Stack.client`).
"""

import json
from http import HTTPStatus

import urllib3
from msgspec import Struct

from local.deployment.emulator import REGION
from local.errors import LocalError
from local.mapping.results import LATEST_VERSION

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0

TARGETS = {"dynamodb": "DynamoDBStreams_20120810", "sqs": "AmazonSQS"}


class CallFailed(LocalError):
    """A call returned an error or no response. `code` is AWS's error code, or "unreachable"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class InvokeResult(Struct, frozen=True):
    """The response of Invoke.

    `error` is the function's error as text, None if it returned; `version` is the function's version that was run.
    """

    payload: bytes
    error: str | None
    throttled: bool
    request_id: str | None
    version: str = LATEST_VERSION


class EmulatorClient:
    """A pool of connections to one endpoint; any thread may use it."""

    def __init__(self, endpoint: str, *, connections: int = 32) -> None:
        self._endpoint = endpoint
        self._pool = urllib3.PoolManager(maxsize=connections, block=True, retries=False)

    def call(self, service: str, action: str, **parameters: object) -> dict[str, object]:
        """Call an action of DynamoDB Streams ("dynamodb") or SQS ("sqs"). Raises CallFailed."""
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"{TARGETS[service]}.{action}",
            "Authorization": _authorization(service),
        }
        response = self._post("/", json.dumps(parameters).encode(), headers, READ_TIMEOUT_S)
        if response.status != HTTPStatus.OK:
            raise _call_failure(response)
        reply = json.loads(response.data) if response.data else {}
        assert isinstance(reply, dict)  # noqa: S101 - both protocols return an object
        return reply

    def invoke(self, function: str, payload: bytes, timeout_s: float, qualifier: str | None = None) -> InvokeResult:
        """Invoke a function, or an alias of it, and wait at most `timeout_s` for its response. Raises CallFailed."""
        headers = {"Content-Type": "application/json", "Authorization": _authorization("lambda")}
        path = f"/2015-03-31/functions/{function}/invocations"
        if qualifier is not None:
            path += f"?Qualifier={qualifier}"
        response = self._post(path, payload, headers, timeout_s)
        request_id = response.headers.get("x-amzn-RequestId")
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return InvokeResult(response.data, "throttled", throttled=True, request_id=request_id)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _call_failure(response)
        failed = "X-Amz-Function-Error" in response.headers
        error = _error_text(response.data) if failed else None
        version = response.headers.get("X-Amz-Executed-Version", LATEST_VERSION)
        return InvokeResult(response.data, error, throttled=False, request_id=request_id, version=version)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def _post(
        self, path: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> urllib3.response.BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=timeout_s)
        try:
            return self._pool.request("POST", self._endpoint + path, body=body, headers=headers, timeout=timeout)
        except urllib3.exceptions.HTTPError as error:
            raise CallFailed("unreachable", f"the emulator is not responding ({type(error).__name__})") from error


def _authorization(service: str) -> str:
    """The emulator identifies the service by the credential scope and does not check the signature."""
    scope = f"test/20000101/{REGION}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def _call_failure(response: urllib3.response.BaseHTTPResponse) -> CallFailed:
    try:
        body = json.loads(response.data)
    except ValueError:
        body = {}
    code = str(body.get("__type", response.status)).rsplit("#", 1)[-1]
    return CallFailed(code, str(body.get("message") or body.get("Message") or response.data[:200]))


def _error_text(payload: bytes) -> str:
    try:
        body = json.loads(payload)
        return f"{body['errorType']}: {body['errorMessage']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return payload[:500].decode(errors="replace")
