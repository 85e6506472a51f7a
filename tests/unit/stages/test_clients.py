"""Every error of the SDK has a place in our tree."""

import inspect
import socket
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

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


def test_a_table_that_never_answers_is_given_up_before_the_api_has_to_answer(aws_env: None) -> None:
    config: Any = client("dynamodb").meta.config
    attempts = config.retries["total_max_attempts"]
    pauses_s = sum(2**attempt for attempt in range(attempts - 1))
    assert attempts * config.read_timeout + pauses_s < 29


def test_a_call_without_an_answer_is_transient(aws_env: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # bound, but nobody listens
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(EndpointConnectionError) as raised:
            client("dynamodb").get_item(TableName="t", Key={"pk": {"S": "k"}})
    assert isinstance(translate(raised.value), Transient)
