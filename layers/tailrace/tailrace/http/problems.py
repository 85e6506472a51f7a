"""What the API answers when it does not do what it was asked: RFC 9457, ``application/problem+json``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.errors import (
    Conflict,
    InvalidItem,
    InvalidMessage,
    NotFound,
    Permanent,
    PreconditionFailed,
    QueryTooLarge,
    TailraceError,
    Transient,
    UnsupportedKeyOrder,
    Violation,
)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:tailrace:"
RETRY_AFTER_S = 1

MAX_LISTED_CHARACTERS = 500_000
"""Of very many violations, as many are listed as have so many characters: an answer of Lambda holds 6 MB, in which a
character may take six bytes."""

_MAX_DETAIL = 1000

_SIZE_KEYWORD = "size"  # as tailrace.encoding.limits calls it


class UnsupportedMediaType(InvalidMessage):
    """A body of a type that is not taken."""


class MethodNotAllowed(NotFound):
    """An address that is there, but not for this method; ``allowed`` are the methods that it is there for."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"this address takes {', '.join(allowed)}")


class IdempotencyKeyInUse(Permanent):
    """An idempotency key whose first request is still under way."""


class IdempotencyKeyReused(Permanent):
    """An idempotency key that has come with another request before."""


class NotAcceptable(Permanent):
    """A request for an answer in a form that there is not."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem: its name, which never changes, the status, and what they say."""

    name: str
    status: int
    title: str
    description: str

    @property
    def uri(self) -> str:
        """The URI that stands for it in ``type``."""
        return f"{TYPE_PREFIX}{self.name}"


PROBLEM_TYPES = {
    problem_type.name: problem_type
    for problem_type in (
        ProblemType(
            "invalid-request",
            400,
            "The request cannot be read",
            "a body, parameter, header, id or cursor that cannot be read",
        ),
        ProblemType("not-found", 404, "There is no such thing", "no such collection, aggregate, item or address"),
        ProblemType(
            "method-not-allowed",
            405,
            "The address does not take this method",
            "the address is there for other methods, which `Allow` lists",
        ),
        ProblemType(
            "not-acceptable",
            406,
            "There is no such form of the answer",
            "`Accept` takes none of the forms that there are",
        ),
        ProblemType(
            "conflict", 409, "The item was changed by others meanwhile", "others kept changing the item meanwhile"
        ),
        ProblemType(
            "idempotency-key-in-use",
            409,
            "A request with this key is under way",
            "the first request with this `Idempotency-Key` has not been answered yet",
        ),
        ProblemType(
            "precondition-failed",
            412,
            "The item is not as the request wants it to be",
            "`If-Match` or `If-None-Match` does not hold; nothing was done",
        ),
        ProblemType(
            "too-large",
            413,
            "The item is larger than the table holds",
            "an item that breaks no rule but is larger than the table holds",
        ),
        ProblemType(
            "unsupported-media-type",
            415,
            "The body is not of a type that is taken",
            "a body that does not call itself JSON",
        ),
        ProblemType(
            "invalid-item", 422, "The item breaks rules", "an item that breaks rules; `violations` lists every one"
        ),
        ProblemType(
            "key-order",
            422,
            "The key of the aggregate does not allow it",
            "what is asked for does not lie together in the table; another order of groups would allow it",
        ),
        ProblemType(
            "too-much",
            422,
            "That is too much for one request",
            "what is to be added up or ranked takes more reads than a request has",
        ),
        ProblemType(
            "idempotency-key-reused",
            422,
            "This key belongs to another request",
            "the `Idempotency-Key` has come with another method, address, body or condition before",
        ),
        ProblemType(
            "try-later",
            503,
            "The table cannot answer now",
            "the table cannot answer now; `Retry-After` says when to ask again",
        ),
    )
}
"""Every kind of problem, by its name; docs/api.md has the same table."""

# The first that fits counts, so what is more special comes first.
_PROBLEM_TYPE_NAMES: tuple[tuple[type[TailraceError], str], ...] = (
    (UnsupportedMediaType, "unsupported-media-type"),
    (InvalidMessage, "invalid-request"),
    (MethodNotAllowed, "method-not-allowed"),
    (NotFound, "not-found"),
    (Conflict, "conflict"),
    (NotAcceptable, "not-acceptable"),
    (UnsupportedKeyOrder, "key-order"),
    (QueryTooLarge, "too-much"),
    (IdempotencyKeyInUse, "idempotency-key-in-use"),
    (IdempotencyKeyReused, "idempotency-key-reused"),
    (PreconditionFailed, "precondition-failed"),
    (InvalidItem, "invalid-item"),
    (Transient, "try-later"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal; ``detail`` is for people, ``type`` and ``violations`` are for programs."""

    problem_type: ProblemType
    detail: str
    violations: Sequence[Violation] = ()

    def document(self, max_characters: int = MAX_LISTED_CHARACTERS) -> dict[str, Any]:
        """Return the JSON document, in which the violations take about ``max_characters`` at most."""
        listed = _listed(self.violations, max_characters)
        omitted = len(self.violations) - len(listed)
        return {
            "type": self.problem_type.uri,
            "title": self.problem_type.title,
            "status": self.problem_type.status,
            "detail": self.detail[:_MAX_DETAIL] + (f"; {omitted} of them are not listed" if omitted else ""),
            "violations": listed,
        }


def _listed(violations: Sequence[Violation], max_characters: int) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = []
    size = 0
    for violation in violations:
        size += len(violation.pointer) + len(violation.message)
        if size > max_characters:
            break
        listed.append({"pointer": violation.pointer, "keyword": violation.keyword, "message": violation.message})
    return listed


def problem_for(error: TailraceError) -> Problem | None:
    """Return what to answer for an error; None for one that is no fault of the caller's and will not pass."""
    name = next((name for error_type, name in _PROBLEM_TYPE_NAMES if isinstance(error, error_type)), None)
    if name is None:
        return None
    if isinstance(error, InvalidItem):
        count = len(error.violations)
        text = f"{count} violation{'' if count == 1 else 's'}"
        too_large = all(violation.keyword == _SIZE_KEYWORD for violation in error.violations)
        return Problem(PROBLEM_TYPES["too-large" if too_large else name], text, error.violations)
    return Problem(PROBLEM_TYPES[name], "ask again a little later" if isinstance(error, Transient) else str(error))
