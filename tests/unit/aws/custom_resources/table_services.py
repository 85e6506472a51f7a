"""The services that the check of an existing table asks, with their answers and failures."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.unit.attachment.tables import ARN, NO_TTL, ON, STREAM, TABLE

type Answer = Mapping[str, Any] | Exception

ANSWERS: dict[str, Answer] = {
    "describe_table": {"Table": TABLE},
    "describe_time_to_live": {"TimeToLiveDescription": NO_TTL},
    "scan": {"Items": []},
    "describe_stream": {"StreamDescription": ON},
    "describe_key": {"KeyMetadata": {"KeyManager": "CUSTOMER"}},
}
PROPERTIES = {"Table": "shop", "TableArn": ARN, "StreamArn": STREAM, "KeyArn": "", "WriteEntrances": "off"}


class Service:
    """Every client at once; it remembers what it was asked."""

    def __init__(self, **changed: Answer) -> None:
        self.answers = ANSWERS | changed
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.asked.append((operation, request))
            answer = self.answers[operation]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def failure(code: str, status: int = 400, message: str = "not authorized") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Operation",
    )
