"""Clients of AWS, one for each region and endpoint."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import botocore.session
from botocore.config import Config

from tailrace.aws.runtime.raw_json import skip_serializer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# A call that gets no answer is given up within 4 x 5 s and pauses of at most 1 + 2 + 4 s: within the 29 s that api has
# to answer, so that its caller hears of it. Parameters are checked by the service anyway, and checking them here first
# costs more than sending them.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=32,
    parameter_validation=False,
    tcp_keepalive=True,
    # the SDK's own is put together anew for each request, at about a tenth of its cost
    user_agent="tailrace",
)

# For what matters less than the work that waits for it: a second and a half at most, and no second try.
_BEST_EFFORT = Config(connect_timeout=0.5, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})

# Objects are read in a stream that may rest for a while.
_OBJECT_TIMEOUT_S = 20


@overload
def client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["dynamodbstreams"]) -> "DynamoDBStreamsClient": ...
@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
def client(service: str) -> Any:
    """Return the client of a service; one for each region and endpoint that the environment names."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return _client(service, region, os.environ.get("AWS_ENDPOINT_URL"))


def best_effort_client() -> "DynamoDBClient":
    """Return a client of DynamoDB that gives up soon, for writes that may be lost and must not hold up anything."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    found: DynamoDBClient = _client("dynamodb", region, os.environ.get("AWS_ENDPOINT_URL"), best_effort=True)
    return found


@cache
def _client(service: str, region: str | None, endpoint: str | None, *, best_effort: bool = False) -> Any:
    config = _CONFIG.merge(Config(read_timeout=_OBJECT_TIMEOUT_S)) if service == "s3" else _CONFIG
    if best_effort:
        config = config.merge(_BEST_EFFORT)
    if endpoint:  # an emulator serves all buckets under one host name, so the bucket goes into the path there
        config = config.merge(Config(s3={"addressing_style": "path"}))
    # boto3 makes the same clients, and takes 0.2 s to import for what is not needed here: resources and transfers
    made = _session().create_client(service, region_name=region, endpoint_url=endpoint or None, config=config)
    if service == "dynamodb":
        skip_serializer(made)
    return made


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()
