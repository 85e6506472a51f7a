"""The API's error responses: problem details (RFC 9457), ``application/problem+json``."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tailrace.errors import (
    Conflict,
    InvalidItem,
    InvalidMessage,
    NotAdditive,
    NotBuilt,
    NotFound,
    Permanent,
    PreconditionFailed,
    QueryTooLarge,
    TailraceError,
    Transient,
    UnsupportedKeyOrder,
    Violation,
    WritesOff,
)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:tailrace:"
RETRY_AFTER_S, RETRY_UNBUILT_AFTER_S = 1, 10

MAX_LISTED_CHARACTERS = 500_000
"""The most characters of violations in one response: a Lambda response holds 6 MB, and a character may take six bytes
in JSON."""

_MAX_DETAIL = 1000

_SIZE_KEYWORD = "size"  # the keyword of tailrace.encoding.limits


class UnsupportedMediaType(InvalidMessage):
    """The media type of the body is not supported."""


class MethodNotAllowed(NotFound):
    """The path exists, but not for this method; ``allowed`` are the methods it supports."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"this path supports {', '.join(allowed)}")


class IdempotencyKeyInUse(Permanent):
    """The first request with this idempotency key is still in progress."""


class IdempotencyKeyReused(Permanent):
    """The idempotency key was used before, with a different request."""


class NotAcceptable(Permanent):
    """The client accepts none of the media types on offer."""


class ProblemType(Struct, frozen=True):
    """A kind of problem: a name that never changes, its status, title and description."""

    name: str
    status: int
    title: str
    description: str

    @property
    def uri(self) -> str:
        """The URI of this type, for the member ``type``."""
        return f"{TYPE_PREFIX}{self.name}"


PROBLEM_TYPES = {
    problem_type.name: problem_type
    for problem_type in (
        ProblemType(
            "invalid-request",
            400,
            "Invalid request",
            "a body, parameter, header, id or cursor cannot be parsed",
        ),
        ProblemType(
            "writes-off", 403, "Writes are off", "the stack only reads its items table; `detail` says how items get in"
        ),
        ProblemType("not-found", 404, "Not found", "no such collection, aggregate, item or path"),
        ProblemType(
            "method-not-allowed", 405, "Method not allowed", "the path supports other methods; `Allow` lists them"
        ),
        ProblemType(
            "not-acceptable", 406, "No acceptable media type", "`Accept` allows none of the media types on offer"
        ),
        ProblemType("conflict", 409, "Conflicting writes", "other writers kept changing the item during the request"),
        ProblemType(
            "idempotency-key-in-use",
            409,
            "Request in progress",
            "the first request with this `Idempotency-Key` is still in progress",
        ),
        ProblemType(
            "precondition-failed",
            412,
            "Precondition failed",
            "`If-Match` or `If-None-Match` does not hold; nothing was changed",
        ),
        ProblemType("too-large", 413, "Item too large", "the item is valid, but larger than the table can store"),
        ProblemType(
            "unsupported-media-type",
            415,
            "Unsupported media type",
            "the `Content-Type` of the body is not JSON or, for an item, is that of a patch; or the body is compressed",
        ),
        ProblemType(
            "invalid-item", 422, "Invalid item", "the item breaks its collection's rules; `violations` lists every one"
        ),
        ProblemType(
            "key-order",
            422,
            "Not possible with this aggregate's group order",
            "the rows are not adjacent in the table; an aggregate with another group order would allow the query",
        ),
        ProblemType(
            "not-additive",
            422,
            "The measure of several rows cannot be derived from them",
            "the query combines rows whose measure cannot be combined, such as counts of distinct values",
        ),
        ProblemType(
            "too-much",
            422,
            "Too much for one request",
            "the rollup or ranking needs more reads or more time than a request may use, or the ranked rows or values "
            "exceed a response of 4 MB",
        ),
        ProblemType(
            "idempotency-key-reused",
            422,
            "Idempotency key reused",
            "the `Idempotency-Key` was used before with another method, path, body or condition",
        ),
        ProblemType(
            "not-built",
            503,
            "Not built",
            "the aggregate is not built yet; `detail` says what to do, and `progress`, if present, how much is done",
        ),
        ProblemType(
            "try-later",
            503,
            "Temporarily unavailable",
            "the table is unavailable or slow; `Retry-After` says when to retry",
        ),
    )
}
"""Every problem type, by name; docs/api.md has the same table."""

# The first match wins, so subclasses come first.
_PROBLEM_TYPE_NAMES: tuple[tuple[type[TailraceError], str], ...] = (
    (UnsupportedMediaType, "unsupported-media-type"),
    (InvalidMessage, "invalid-request"),
    (MethodNotAllowed, "method-not-allowed"),
    (NotFound, "not-found"),
    (WritesOff, "writes-off"),
    (Conflict, "conflict"),
    (NotAcceptable, "not-acceptable"),
    (UnsupportedKeyOrder, "key-order"),
    (NotAdditive, "not-additive"),
    (QueryTooLarge, "too-much"),
    (IdempotencyKeyInUse, "idempotency-key-in-use"),
    (IdempotencyKeyReused, "idempotency-key-reused"),
    (PreconditionFailed, "precondition-failed"),
    (InvalidItem, "invalid-item"),
    (NotBuilt, "not-built"),
    (Transient, "try-later"),
)


class Problem(Struct, frozen=True):
    """One error; ``detail`` is for people, the other members are for programs.

    ``omitted`` is the number of violations that are not in ``violations`` any more.
    """

    problem_type: ProblemType
    detail: str
    violations: Sequence[Violation] = ()
    progress: Decimal | None = None
    omitted: int = 0

    def shortened(self, max_characters: int) -> "Problem":
        """Return this problem without the violations that :meth:`document` would omit."""
        listed = _listed(self.violations, max_characters)
        return replace(self, violations=listed, omitted=self.omitted + len(self.violations) - len(listed))

    def document(self, max_characters: int = MAX_LISTED_CHARACTERS) -> dict[str, Any]:
        """Return the JSON document; violations beyond about ``max_characters`` are omitted."""
        listed = [
            {"pointer": one.pointer, "keyword": one.keyword, "message": one.message}
            for one in _listed(self.violations, max_characters)
        ]
        omitted = self.omitted + len(self.violations) - len(listed)
        return {
            "type": self.problem_type.uri,
            "title": self.problem_type.title,
            "status": self.problem_type.status,
            "detail": self.detail[:_MAX_DETAIL] + (f"; {omitted} not listed" if omitted else ""),
            "violations": listed,
        } | ({} if self.progress is None else {"progress": self.progress})


def _listed(violations: Sequence[Violation], max_characters: int) -> Sequence[Violation]:
    size = 0
    for count, violation in enumerate(violations):
        size += len(violation.pointer) + len(violation.message)
        if size > max_characters:
            return violations[:count]
    return violations


def problem_for(error: TailraceError) -> Problem | None:
    """Return the problem for an error; None for an internal error, neither the caller's fault nor temporary."""
    name = next((name for error_type, name in _PROBLEM_TYPE_NAMES if isinstance(error, error_type)), None)
    if name is None:
        return None
    if isinstance(error, InvalidItem):
        count = len(error.violations)
        text = f"{count} violation{'' if count == 1 else 's'}"
        too_large = all(violation.keyword == _SIZE_KEYWORD for violation in error.violations)
        return Problem(PROBLEM_TYPES["too-large" if too_large else name], text, error.violations)
    if isinstance(error, NotBuilt):
        return Problem(PROBLEM_TYPES[name], str(error), progress=error.progress)
    return Problem(PROBLEM_TYPES[name], "retry in a moment" if isinstance(error, Transient) else str(error))
