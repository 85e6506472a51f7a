"""Find a deployed stack with the user's AWS credentials; every failure is one sentence."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's, not Python's
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from botocore.session import Session
from msgspec import Struct

from cli.console import state_folder
from cli.credentials import fresh_credentials
from cli.errors import CommandError

_CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})

_EMULATED_REGION = "us-east-1"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

# Error codes common to all services:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
_EXPIRED_CREDENTIALS = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_INVALID_CREDENTIALS = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_ACCESS_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
# The error code of DescribeStacks for an unknown stack:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
_NO_SUCH_STACK = "ValidationError"

_SIGNED_OUT = (SSOError, TokenRetrievalError, CredentialRetrievalError)
_SIGN_IN = "Cannot get AWS credentials; sign in again (`aws sso login`): {}"

# How the statuses of a stack begin whose resources were never all there, or are gone:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
_NOT_DEPLOYED = ("CREATE_IN_", "CREATE_FAILED", "REVIEW_", "ROLLBACK_", "DELETE_")


class DeployedStack(Struct, frozen=True):
    """A deployed stack, and the credentials to call it with; ``id`` is its ARN."""

    id: str
    name: str
    region: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    session: Session
    credentials: Credentials
    endpoint: str | None = None
    status: str = ""

    def client(self, service: str, *, read_timeout_s: float | None = None) -> Any:
        """Return a client of a service in the stack's region; with a timeout of its own, calls are not retried."""
        config = _CLIENT_CONFIG
        if read_timeout_s is not None:
            config = config.merge(Config(read_timeout=read_timeout_s, retries={"total_max_attempts": 1}))
        return _client(self.session, service, self.region, self.endpoint, config)

    def output(self, name: str) -> str:
        """Return an output of the stack.

        Raises:
            CommandError: the stack does not have it.
        """
        if name not in self.outputs:
            reason = "it is not a Tailrace stack, or it is of an older release"
            if self.status.startswith(_NOT_DEPLOYED):
                reason = f"it is not deployed, its status is {self.status}"
            raise CommandError(f"The stack {self.name!r} has no output {name}: {reason}.")
        return self.outputs[name]

    @property
    def state_folder(self) -> Path:
        """The folder in which commands record their progress with this stack."""
        return state_folder(self.name, self.region, self.id)

    def function(self, stage: str) -> str:
        """Return the name of a stage's function."""
        return f"{self.name}-{stage}"


class Account(Struct, frozen=True):
    """A region of an account, to call with the user's credentials; or an emulator."""

    session: Session
    region: str
    endpoint: str | None = None

    def client(self, service: str) -> Any:
        """Return a client of a service."""
        return _client(self.session, service, self.region, self.endpoint, _CLIENT_CONFIG)


def sign_in(what: str, region: str | None, profile: str | None, endpoint: str | None = None) -> Account:
    """Find credentials and the region in which to look for ``what``; both default to the user's configuration.

    Raises:
        CommandError: there are none.
    """
    session = Session(profile=profile)
    try:
        region, _ = _signed_in(session, region, endpoint)
        client = _client(session, "dynamodb", region, endpoint, _CLIENT_CONFIG)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(_error_message(error, what)) from error
    return Account(session, client.meta.region_name, endpoint)


def find_stack(name: str, region: str | None, profile: str | None, endpoint: str | None = None) -> DeployedStack:
    """Find a stack by name. Region and profile default to those of the user's configuration.

    ``endpoint`` is an emulator's address, which needs neither a region nor credentials.

    Raises:
        CommandError: there is no such stack, or these credentials may not see it.
    """
    session = Session(profile=profile)
    try:
        region, credentials = _signed_in(session, region, endpoint)
        client = _client(session, "cloudformation", region, endpoint, _CLIENT_CONFIG)
        with by_aws(client):
            described = client.describe_stacks(StackName=name)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        where = f"stack {name!r}" + (f" in {region}" if region else "")
        raise CommandError(_error_message(error, where)) from error
    return DeployedStack(
        described["StackId"],
        name,
        client.meta.region_name,
        {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        {given["ParameterKey"]: given.get("ParameterValue", "") for given in described.get("Parameters", [])},
        session,
        credentials,
        endpoint,
        described.get("StackStatus", ""),
    )


def _signed_in(session: Session, region: str | None, endpoint: str | None) -> tuple[str | None, Credentials]:
    """Return the region to call, and the credentials; an emulator needs neither."""
    # botocore reads AWS_DEFAULT_REGION only, the AWS CLI both
    region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if region:  # STS, which gives the credentials of a role, is called there, too
        session.set_config_variable("region", region)
    credentials = fresh_credentials(session)
    if endpoint is not None:
        region = region or _EMULATED_REGION
        if credentials is None:
            session.set_credentials("test", "test")
            credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return region, credentials


def _client(session: Session, service: str, region: str | None, endpoint: str | None, config: Config) -> Any:
    if endpoint is not None:  # an emulator serves all buckets under one host name
        config = config.merge(Config(s3={"addressing_style": "path"}))
        if urlsplit(endpoint).hostname in _LOOPBACK:  # to a proxy, these names mean its own machine
            config = config.merge(Config(proxies={}))
    untyped: Any = session  # its stubs require a literal service name
    try:
        client = untyped.create_client(service, region_name=region, endpoint_url=endpoint, config=config)
    except BotoCoreError:  # some are ValueErrors, too
        raise
    except (ValueError, AttributeError) as error:  # an address is not one, or a section of the configuration is a text
        raise CommandError(
            f"AWS cannot be called: {error}: check AWS_ENDPOINT_URL, and your AWS configuration."
        ) from error
    # credentials that expire are refreshed before a call, by programs and files that may fail then
    client.meta.events.register_first("before-sign", lambda **_: fresh_credentials(session))
    client.meta.events.register("after-call", partial(_check_origin, client))
    return client


def _check_origin(client: Any, parsed: Mapping[str, Any], **_: Any) -> None:
    """Refuse what is not of AWS, which names each request: a page would pass for an empty list, a 404 for a loss."""
    response = parsed["ResponseMetadata"]
    named = {"x-amzn-requestid", "x-amz-request-id"} & response["HTTPHeaders"].keys()
    if response["HTTPStatusCode"] < HTTPStatus.INTERNAL_SERVER_ERROR and not named and not response.get("RequestId"):
        raise _not_aws(client)


def _not_aws(client: Any) -> CommandError:
    causes = "check --endpoint-url, AWS_ENDPOINT_URL and proxies"
    return CommandError(f"{client.meta.endpoint_url} does not respond as AWS does: {causes}.")


@contextmanager
def explained() -> Iterator[None]:
    """Raise errors of AWS calls in the block as CommandErrors of one sentence."""
    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        code, operation = details.get("Code", ""), error.operation_name
        text = _credentials_message(code) or f"{operation} failed: {code}: {details.get('Message', '')}"
        if code in _ACCESS_DENIED:
            text = f"These credentials lack permission for {operation}: {details.get('Message', '')}"
        raise CommandError(text) from error
    except (HTTPClientError, ConnectionError) as error:
        raise CommandError(f"Cannot reach AWS; check the network and the region: {error}") from error
    except _SIGNED_OUT as error:
        raise CommandError(_SIGN_IN.format(error)) from error
    except BotoCoreError as error:
        raise CommandError(f"AWS cannot be called: {error}") from error
    except ResponseParserError as error:
        raise CommandError(f"A response of AWS cannot be read; check the network and proxies: {error}") from error


@contextmanager
def by_aws(client: Any) -> Iterator[None]:
    """Raise a CommandError if something else responds to the first call, such as a proxy or another local server."""
    try:
        yield
    except (ResponseParserError, LookupError, AttributeError) as error:  # the SDK's, of a body of another form
        raise _not_aws(client) from error


def _error_message(error: Exception, where: str) -> str:
    match error:
        case ClientError():
            return _client_error_message(error, where)
        case ProfileNotFound():
            return f"There is no AWS profile {error.kwargs['profile']!r} in your configuration."
        case NoRegionError() | InvalidRegionError():
            return "No valid AWS region: pass --region, set AWS_REGION, or configure one (`aws configure`)."
        case NoCredentialsError() | PartialCredentialsError():
            return "No AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass --profile."
        case SSOError() | TokenRetrievalError() | CredentialRetrievalError():
            return _SIGN_IN.format(error)
        case HTTPClientError() | ConnectionError():
            return f"Cannot reach AWS to find the {where}; check the network and the region: {error}"
    return f"Cannot find the {where}: {error}"


def _client_error_message(error: ClientError, where: str) -> str:
    error_details = error.response.get("Error", {})
    code = error_details.get("Code", "")
    if text := _credentials_message(code):
        return text
    if code in _ACCESS_DENIED:
        return f"These credentials lack permission for {error.operation_name}, which is needed to find the {where}."
    reason = f"{code}: {error_details.get('Message', '')}"
    if error.operation_name != "DescribeStacks":  # of the sign-in
        return f"Cannot find the {where}, because {error.operation_name} failed: {reason}"
    if code == _NO_SUCH_STACK:
        return f"There is no {where}: check the name, or pass its --region and --profile."
    return f"Cannot describe the {where}: {reason}"


def _credentials_message(code: str) -> str | None:
    if code in _EXPIRED_CREDENTIALS:
        return "The AWS credentials have expired: sign in again (`aws sso login`), or set new ones."
    if code in _INVALID_CREDENTIALS:
        return "AWS rejects these credentials, at least in this partition: check the keys or the profile."
    return None
