"""Responses: JSON, an empty body, or a problem document."""

from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response

from tailrace.aws.runtime.telemetry import logger
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import NotBuilt, TailraceError, Transient
from tailrace.http.problems import (
    CONTENT_TYPE,
    RETRY_AFTER_S,
    RETRY_UNBUILT_AFTER_S,
    MethodNotAllowed,
    problem_for,
)

type Headers = Mapping[str, str | list[str]]
type ApiResponse = Response[str]

JSON_CONTENT_TYPE = "application/json"


class PartialFailure(Exception):
    """A response with parts that failed transiently, which must not be stored for retries of the request.

    It is not an error: raising it bypasses the idempotency store.
    """

    def __init__(self, response: ApiResponse) -> None:
        self.response = response
        super().__init__("part of the request must be retried")


def json_response(status: int, body: str, headers: Headers | None = None) -> ApiResponse:
    """Return a response with a JSON body."""
    return Response(status, JSON_CONTENT_TYPE, body, headers)


def empty_response(status: int, headers: Headers | None = None) -> ApiResponse:
    """Return a response without a body."""
    return Response(status, None, "", headers)


def problem_response(error: TailraceError) -> ApiResponse:
    """Return the problem document of an error; an error that is not the caller's fault is raised again."""
    problem = problem_for(error)
    if problem is None:
        raise error
    headers: dict[str, str | list[str]] = {}
    if isinstance(error, Transient):
        logger().warning("request must be retried later", extra={"error": str(error)})
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, NotBuilt):
        logger().warning("request for an aggregate that is not built", extra={"error": str(error)})
        headers["Retry-After"] = str(RETRY_UNBUILT_AFTER_S)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    return Response(problem.problem_type.status, CONTENT_TYPE, dumps(problem.document()), headers)
