"""Every error of the SDK has a place in our tree."""

import inspect

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError

from tailrace.aws.clients import client, translate
from tailrace.errors import Permanent, TailraceError, Transient

TRANSIENT = {
    "ConnectionClosedError",
    "ConnectionError",
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseStreamingError",
    "SSLError",
}
"""The SDK's errors that a later try can get past; whoever adds one to the SDK will see this test."""

ALL = {
    name
    for name, member in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(member, BotoCoreError) and member.__module__ == exceptions.__name__
}


def answered(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "Throttling, they say"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutItem")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_error_of_the_sdk_is_told_apart(name: str) -> None:
    error = getattr(exceptions, name).__new__(getattr(exceptions, name))
    assert isinstance(translate(error), Transient) == (name in TRANSIENT)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered("ThrottlingException"), Transient),
        (answered("ProvisionedThroughputExceededException"), Transient),
        (answered("SlowDown", 503), Transient),
        (answered("Whatever", 500), Transient),
        (answered("Whatever", 429), Transient),
        (answered("AccessDeniedException"), Permanent),
        (answered("AccessDenied", 403), Permanent),
        (answered("ResourceNotFoundException"), Permanent),
        (answered("ValidationException"), Permanent),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1"), Transient),
        (NoCredentialsError(), Permanent),
    ],
)
def test_errors_are_told_apart_by_code_status_and_type(
    error: ClientError | BotoCoreError, kind: type[TailraceError]
) -> None:
    assert type(translate(error)) is kind


def test_clients_are_made_once_for_each_endpoint(aws_env: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client("dynamodb")
    assert client("dynamodb") is first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert client("dynamodb") is not first
    assert client("dynamodb").meta.endpoint_url == "http://127.0.0.1:1"
