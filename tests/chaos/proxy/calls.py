"""What a request asks of which service, and how that service says that it cannot."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

TARGETS = {"DynamoDB_20120810": "dynamodb", "DynamoDBStreams_20120810": "streams", "AmazonSQS": "sqs"}
API_PATH = "/_aws/execute-api/"
INVOKE_SUFFIX = "/invocations"

_JSON = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Call:
    """A request: who makes it, and what it asks. `service` is "" for what no fault touches, such as CloudFormation."""

    caller: str
    service: str
    action: str
    table: str = ""

    def __str__(self) -> str:
        return f"{self.caller}: {self.service}.{self.action}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def length(self) -> str:
        """The length that it names: that of the object, if it answers HEAD."""
        return next((text for name, text in self.headers.items() if name.lower() == "content-length"), "0")


def call_of(caller: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Call:
    """Return what a request asks."""
    target = headers.get("X-Amz-Target", "")
    if target:
        protocol, _, action = target.partition(".")
        service = TARGETS.get(protocol, "")
        return Call(caller, service, action, str(json.loads(body).get("TableName", "")) if service else "")
    if path.startswith(API_PATH):
        return Call(caller, "execute-api", method)
    if path.partition("?")[0].endswith(INVOKE_SUFFIX):
        return Call(caller, "lambda", "Invoke")
    if "/s3/aws4_request" in headers.get("Authorization", ""):
        return Call(caller, "s3", method)
    return Call(caller, "", method)


def throttled(call: Call, rng: random.Random) -> Answer:
    """Return what a service says that has no capacity for a call: its own code, shape and status."""
    match call.service:
        case "dynamodb":
            codes = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]
            return _coded(f"com.amazonaws.dynamodb.v20120810#{rng.choice(codes)}", HTTPStatus.BAD_REQUEST)
        case "streams":
            codes = ["ProvisionedThroughputExceededException", "LimitExceededException"]
            return _coded(f"com.amazonaws.dynamodb.v20120810#{rng.choice(codes)}", HTTPStatus.BAD_REQUEST)
        case "sqs":
            code = rng.choice(["RequestThrottled", "ThrottlingException"])
            return _coded(f"com.amazonaws.sqs#{code}", HTTPStatus.BAD_REQUEST, query=f"{code};Sender")
        case "s3":
            return _xml("SlowDown", HTTPStatus.SERVICE_UNAVAILABLE)
        case "lambda":
            return _coded("TooManyRequestsException", HTTPStatus.TOO_MANY_REQUESTS)
    return _plain("Too Many Requests", HTTPStatus.TOO_MANY_REQUESTS)


def broken(call: Call, _rng: random.Random) -> Answer:
    """Return what a service says that has failed."""
    match call.service:
        case "dynamodb" | "streams":
            return _coded("com.amazonaws.dynamodb.v20120810#InternalServerError", HTTPStatus.INTERNAL_SERVER_ERROR)
        case "sqs":
            name = "com.amazonaws.sqs#InternalFailure"
            return _coded(name, HTTPStatus.INTERNAL_SERVER_ERROR, query="InternalFailure;Receiver")
        case "s3":
            return _xml("InternalError", HTTPStatus.INTERNAL_SERVER_ERROR)
        case "lambda":
            return _coded("ServiceException", HTTPStatus.INTERNAL_SERVER_ERROR)
    return _plain("Internal Server Error", HTTPStatus.INTERNAL_SERVER_ERROR)


def _coded(code: str, status: HTTPStatus, query: str | None = None) -> Answer:
    body = json.dumps({"__type": code, "message": "injected"}).encode()
    headers = {"Content-Type": _JSON, "x-amzn-ErrorType": code.rpartition("#")[2]}
    return Answer(status, headers | ({"x-amzn-query-error": query} if query else {}), body)


def _xml(code: str, status: HTTPStatus) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


def _plain(message: str, status: HTTPStatus) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode())
