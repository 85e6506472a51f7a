"""Clients of AWS, one for each region and endpoint."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import botocore.session
from botocore.config import Config

from tailrace.aws.runtime.raw_json import skip_serializer

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

# A call without a response fails after 4 x 5 s and pauses of at most 1 + 2 + 4 s: within the 29 s that api has, so that
# its caller gets an error. The service validates parameters anyway, and validating them here costs more than sending
# them.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=32,
    parameter_validation=False,
    tcp_keepalive=True,
    # the SDK builds its own for every request, at about a tenth of the request's cost
    user_agent="tailrace",
)

# For writes that matter less than the work that waits for them: a second and a half at most, without a retry.
_BEST_EFFORT = Config(connect_timeout=0.5, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})

# For values that are only displayed, and for late calls of a slow request: nine seconds and the pauses at most, so that
# several sequential calls fit into a request.
_IMPATIENT = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})

# Objects are read as a stream that may pause for a while. Clients that store objects or read small ones must not wait
# for so long: a call without a response would take longer than a whole invocation of ingest.
_OBJECT_TIMEOUT_S = 20


@overload
def client(service: Literal["cloudformation"]) -> "CloudFormationClient": ...
@overload
def client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["dynamodbstreams"]) -> "DynamoDBStreamsClient": ...
@overload
def client(service: Literal["lambda"]) -> "LambdaClient": ...
@overload
def client(service: Literal["stepfunctions"]) -> "SFNClient": ...
@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
def client(service: str) -> Any:
    """Return the client of a service; one for each region and endpoint that the environment names."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return _client(service, region, os.environ.get("AWS_ENDPOINT_URL"))


def best_effort_client() -> "DynamoDBClient":
    """Return a DynamoDB client with short timeouts and no retry, for writes that may be lost."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    dynamodb: DynamoDBClient = _client("dynamodb", region, os.environ.get("AWS_ENDPOINT_URL"), other=_BEST_EFFORT)
    return dynamodb


def storing_client() -> "S3Client":
    """Return a client that stores objects and reads small ones: it waits no longer than other services' clients."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    s3: S3Client = _client("s3", region, os.environ.get("AWS_ENDPOINT_URL"), only_stores=True)
    return s3


@overload
def impatient_client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def impatient_client(service: Literal["s3"]) -> "S3Client": ...
@overload
def impatient_client(service: Literal["sqs"]) -> "SQSClient": ...
def impatient_client(service: str) -> Any:
    """Return a client whose calls fail after a few seconds without a response, for values that may be left out."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return _client(service, region, os.environ.get("AWS_ENDPOINT_URL"), other=_IMPATIENT)


@cache
def _client(
    service: str, region: str | None, endpoint: str | None, *, other: Config | None = None, only_stores: bool = False
) -> Any:
    reads_objects = service == "s3" and not only_stores
    config = _CONFIG.merge(Config(read_timeout=_OBJECT_TIMEOUT_S)) if reads_objects else _CONFIG
    if other is not None:
        config = config.merge(other)
    if endpoint:  # an emulator serves all buckets under one host name, so the bucket goes into the path there
        config = config.merge(Config(s3={"addressing_style": "path"}))
    # boto3 makes the same clients, but takes 0.2 s to import for resources and transfers, which are not used
    created = _session().create_client(service, region_name=region, endpoint_url=endpoint or None, config=config)
    if service == "dynamodb":
        skip_serializer(created)
    return created


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()
