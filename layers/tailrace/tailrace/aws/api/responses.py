"""Answers to requests: JSON, nothing at all, or a problem document."""

from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response

from tailrace.aws.runtime.telemetry import logger
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import TailraceError, Transient
from tailrace.http.problems import CONTENT_TYPE, RETRY_AFTER_S, MethodNotAllowed, problem_for

type Headers = Mapping[str, str | list[str]]
type ApiResponse = Response[str]

JSON = "application/json"


class PartialFailure(Exception):
    """An answer of which a part failed for now, so that it must not be kept for repeats of the request.

    No error: it is raised to leave by the way on which nothing is kept.
    """

    def __init__(self, answer: ApiResponse) -> None:
        self.answer = answer
        super().__init__("a part of the request is to be repeated")


def json_response(status: int, body: str, headers: Headers | None = None) -> ApiResponse:
    """Answer with a JSON text."""
    return Response(status, JSON, body, headers)


def empty_response(status: int, headers: Headers | None = None) -> ApiResponse:
    """Answer without a body."""
    return Response(status, None, "", headers)


def problem_response(error: TailraceError) -> ApiResponse:
    """Answer with the problem document of an error; one that is no fault of the caller's is raised again."""
    problem = problem_for(error)
    if problem is None:
        raise error
    headers: dict[str, str | list[str]] = {}
    if isinstance(error, Transient):
        logger().warning("request to be repeated later", extra={"error": str(error)})
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    return Response(problem.problem_type.status, CONTENT_TYPE, dumps(problem.document()), headers)
