"""The errors of DynamoDB, in the shape in which botocore raises them."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError


class Unsupported(NotImplementedError):
    """The request is beyond what the model knows; DynamoDB itself might well take it."""


class Rejected(Exception):
    """A request that a table refuses; `item` is the row that made a condition fail, where it was asked for."""

    def __init__(self, code: str, message: str, item: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.item = item

    def as_client_error(self, operation: str) -> ClientError:
        """Return what botocore raises for it."""
        return client_error(operation, self.code, self.message, item=self.item)


def invalid(message: str) -> Rejected:
    """Return the refusal of a request that is wrong by itself, or cannot be applied to the row."""
    return Rejected("ValidationException", message)


def client_error(
    operation: str, code: str, message: str = "", *, status: int = 400, item: Mapping[str, Any] | None = None
) -> ClientError:
    """Return an error as botocore makes it from the service's answer."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    if item is not None:
        response["Item"] = dict(item)
    return ClientError(response, operation)
