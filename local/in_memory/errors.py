"""DynamoDB's errors, in the form in which botocore raises them."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError


class Unsupported(NotImplementedError):
    """The request uses a feature that is not implemented here; DynamoDB may accept it."""


class Rejected(Exception):
    """A rejected request. `item` is the row that failed the condition, if the request asked for it."""

    def __init__(self, code: str, message: str, item: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.item = item

    def as_client_error(self, operation: str) -> ClientError:
        """Return the error that botocore raises for it."""
        return client_error(operation, self.code, self.message, item=self.item)


def invalid(message: str) -> Rejected:
    """Return a ValidationException: the request is invalid, or cannot be applied to the row."""
    return Rejected("ValidationException", message)


def client_error(
    operation: str, code: str, message: str = "", *, status: int = 400, item: Mapping[str, Any] | None = None
) -> ClientError:
    """Return an error as botocore builds it from the service's response."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    if item is not None:
        response["Item"] = dict(item)
    return ClientError(response, operation)
