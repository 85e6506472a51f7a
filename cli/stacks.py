"""Find a deployed stack with the user's own AWS credentials, and say in one sentence why that is not possible."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, which is none of Python's
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
from botocore.session import Session

from cli.errors import CommandError

_CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})

# Codes of the errors that every service answers alike:
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
# What DescribeStacks answers for a name that is well-formed, and that no stack has:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
_NO_SUCH_STACK = "ValidationError"


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """A deployed stack, and the credentials to ask it with."""

    name: str
    region: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    session: Session
    credentials: Credentials


def find_stack(name: str, region: str | None, profile: str | None) -> DeployedStack:
    """Find a stack by its name, in the region and with the profile given, or those of the user's configuration.

    Raises:
        CommandError: there is no such stack, or none that these credentials may see.
    """
    session = Session(profile=profile)
    try:
        # botocore knows AWS_DEFAULT_REGION only, the AWS CLI both
        region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        client: Any = session.create_client("cloudformation", region_name=region, config=_CLIENT_CONFIG)
        described = client.describe_stacks(StackName=name)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        where = f"stack {name!r}" + (f" in {region}" if region else "")
        raise CommandError(_error_message(error, where, profile)) from error
    return DeployedStack(
        name,
        client.meta.region_name,
        {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])},
        {given["ParameterKey"]: given.get("ParameterValue", "") for given in described.get("Parameters", [])},
        session,
        credentials,
    )


def _error_message(error: Exception, where: str, profile: str | None) -> str:
    match error:
        case ClientError():
            return _client_error_message(error, where)
        case ProfileNotFound():
            return f"There is no AWS profile {profile!r} in your configuration."
        case NoRegionError() | InvalidRegionError():
            return "Which region? Give --region, set AWS_REGION, or configure one (`aws configure`)."
        case NoCredentialsError() | PartialCredentialsError():
            return "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a --profile."
        case SSOError() | TokenRetrievalError() | CredentialRetrievalError():
            return f"The AWS credentials cannot be had; sign in anew (`aws sso login`): {error}"
        case HTTPClientError() | ConnectionError():
            return f"AWS does not answer when asked for the {where}; is there a network, and the region right? {error}"
    return f"The {where} cannot be looked up: {error}"


def _client_error_message(error: ClientError, where: str) -> str:
    error_details = error.response.get("Error", {})
    code = error_details.get("Code", "")
    if code in _EXPIRED_CREDENTIALS:
        return "The AWS credentials have expired: sign in anew (`aws sso login`), or set fresh ones."
    if code in _INVALID_CREDENTIALS:
        return "AWS does not know these credentials, or not in this partition: look at the keys or the profile."
    if code in _ACCESS_DENIED:
        return f"These credentials may not do {error.operation_name}, which it takes to find the {where}."
    if code == _NO_SUCH_STACK:
        return f"There is no {where}: look at its name, or give the --region and --profile that it is in."
    return f"AWS does not tell of the {where}: {code}: {error_details.get('Message', '')}"
