"""Every error of the SDK has a place in our tree."""

import inspect
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.session import get_session

from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.errors import translate
from tailrace.aws.runtime.queues import send_messages
from tailrace.aws.runtime.raw_json import skip_serializer
from tailrace.errors import Permanent, TailraceError, Transient

TRANSIENT = {
    "ChecksumError",
    "ConnectionClosedError",
    "ConnectionError",
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "FlexibleChecksumError",
    "HTTPClientError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseStreamingError",
    "SSLError",
}
"""The SDK's errors that a later try can get past; whoever adds one to the SDK will see this test."""

ROW = {
    "pk": {"S": "flights#é☃"},
    "raw": {"B": b"\x00\xff"},
    "deep": {"M": {"l": {"L": [{"N": "1.50"}, {"NULL": True}]}}},
}
REQUESTS: dict[str, dict[str, Any]] = {
    "update_item": {
        "TableName": "aggregates",
        "Key": {"pk": {"S": "a#1"}, "sk": {"S": "ü"}},
        "UpdateExpression": "SET #0 = :0 ADD #1 :1",
        "ExpressionAttributeNames": {"#0": "last", "#1": "count"},
        "ExpressionAttributeValues": {":0": {"BS": [b"\x01", b"\x02"]}, ":1": {"N": "-3"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    },
    "batch_execute_statement": {
        "Statements": [
            {
                "Statement": 'UPDATE "aggregates" SET "n" = "n" + ? WHERE "pk" = ?',
                "Parameters": [{"N": "1"}, {"S": 'say "so"\n'}],
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        ]
    },
    "batch_write_item": {"RequestItems": {"items": [{"PutRequest": {"Item": ROW}}]}},
}
"""Requests that our client writes out itself, with everything in them that the SDK treats in a way of its own."""

ANSWERS: dict[str, dict[str, Any]] = {
    "update_item": {},
    "batch_execute_statement": {
        "Responses": [
            {"TableName": "aggregates"},
            {"Error": {"Code": "ConditionalCheckFailed", "Message": "no", "Item": {"~m": {"S": "07"}}}},
        ]
    },
    "batch_write_item": {"UnprocessedItems": {}},
}

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
        (answered("KmsThrottled"), Transient),
        (answered("KMS.ThrottlingException"), Transient),
        (answered("KMS.AccessDeniedException"), Permanent),
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


def test_a_queue_whose_key_is_throttled_is_tried_again(aws_env: None) -> None:
    """SQS names the error KmsThrottled, and the SDK tells the code of the query protocol that SQS had before."""
    sqs: Any = get_session().create_client("sqs")
    headers = HTTPHeaders()
    headers["x-amzn-query-error"] = "KMS.ThrottlingException;Sender"
    calls: list[Any] = []

    def answer(request: Any, **_others: Any) -> AWSResponse:
        calls.append(request)
        if len(calls) > 1:
            return AWSResponse(request.url, 200, HTTPHeaders(), Body(b"{}"))
        return AWSResponse(request.url, 400, headers, Body(b'{"__type":"com.amazonaws.sqs#KmsThrottled"}'))

    sqs.meta.events.register("before-send.sqs", answer)
    assert send_messages(sqs, "https://sqs.us-east-1.amazonaws.com/1/q", ["x"], sleep=lambda _seconds: None) == []
    assert len(calls) == 2


class Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def called(dynamodb: Any, operation: str) -> tuple[Any, Any]:
    """Call a client as if DynamoDB were there, and return what it sent and what it made of the answer."""
    sent: list[Any] = []

    def answer(request: Any, **_others: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), Body(json.dumps(ANSWERS[operation]).encode()))

    dynamodb.meta.events.register("before-send.dynamodb", answer)
    try:
        found = getattr(dynamodb, operation)(**REQUESTS[operation])
    finally:
        dynamodb.meta.events.unregister("before-send.dynamodb", answer)
    return sent[0], found


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_request_that_is_written_out_here_says_what_the_sdk_would_say(aws_env: None, operation: str) -> None:
    mine, made_of_mine = called(client("dynamodb"), operation)
    sdk, made_by_sdk = called(get_session().create_client("dynamodb"), operation)
    assert json.loads(mine.body) == json.loads(sdk.body)
    assert {"X-Amz-Target", "Content-Type", "Authorization"} <= set(mine.headers)
    for header in ("X-Amz-Target", "Content-Type"):
        assert mine.headers[header] == sdk.headers[header]
    assert int(mine.headers["Content-Length"]) == len(mine.body)
    assert made_of_mine == made_by_sdk


@pytest.mark.parametrize("operation", REQUESTS)
def test_what_is_signed_is_what_is_sent(aws_env: None, operation: str) -> None:
    """A signature of the SDK's own empty body would be refused by AWS, and by no emulator."""
    session = get_session()
    dynamodb = session.create_client("dynamodb", config=Config(parameter_validation=False))
    skip_serializer(dynamodb)
    sent, _ = called(dynamodb, operation)
    told = {name.lower(): value if isinstance(value, str) else value.decode() for name, value in sent.headers.items()}
    authorization = told["authorization"]
    signed = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: told[name] for name in signed if name in told}
    again = AWSRequest(method=sent.method, url=sent.url, headers=headers, data=sent.body)
    again.context["timestamp"] = told["x-amz-date"]
    credentials: Any = session.get_credentials()
    signer = SigV4Auth(credentials, "dynamodb", "us-east-1")
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    assert authorization.endswith(f"Signature={signature}")
