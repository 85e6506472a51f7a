"""What the API answers when it does not do what it was asked: RFC 9457, ``application/problem+json``.

=======================  ======  =========================================================================
type (after the prefix)  status  when
=======================  ======  =========================================================================
invalid-request          400     a body, parameter, id or cursor that cannot be read
not-found                404     no such collection, aggregate, item or address
conflict                 409     others kept changing the item meanwhile
unsupported-media-type   415     a body that does not call itself JSON
too-large                413     an item that breaks no rule but is larger than the table holds
invalid-item             422     an item that breaks rules; ``violations`` lists every one
try-later                503     the table cannot answer now; ``Retry-After`` says when to ask again
=======================  ======  =========================================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.errors import Conflict, InvalidItem, InvalidMessage, NotFound, TailraceError, Transient, Violation

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:tailrace:"
RETRY_AFTER_S = 1

# An answer of Lambda holds 6 MB, in which a character may take six bytes.
_MOST_LISTED_CHARACTERS = 500_000
_LONGEST_DETAIL = 1000

_TOO_LARGE = "size"  # as tailrace.limits calls it


class UnsupportedMediaType(InvalidMessage):
    """A body of a type that is not taken."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal; ``detail`` is for people, ``type`` and ``violations`` are for programs."""

    status: int
    name: str
    title: str
    detail: str
    violations: Sequence[Violation] = ()

    def document(self) -> dict[str, Any]:
        """Return the JSON document; of very many violations, as many as fit an answer."""
        listed = _listed(self.violations)
        left_out = len(self.violations) - len(listed)
        return {
            "type": f"{TYPE_PREFIX}{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail[:_LONGEST_DETAIL] + (f"; {left_out} of them are not listed" if left_out else ""),
            "violations": listed,
        }


def _listed(violations: Sequence[Violation]) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = []
    size = 0
    for found in violations:
        size += len(found.pointer) + len(found.message)
        if listed and size > _MOST_LISTED_CHARACTERS:
            break
        listed.append({"pointer": found.pointer, "keyword": found.keyword, "message": found.message})
    return listed


def problem_of(error: TailraceError) -> Problem | None:
    """Return what to answer for an error; None for one that is no fault of the caller's and will not pass."""
    detail = str(error)
    match error:
        case InvalidItem():
            count = len(error.violations)
            text = f"{count} violation{'' if count == 1 else 's'}"
            if all(found.keyword == _TOO_LARGE for found in error.violations):
                return Problem(413, "too-large", "The item is larger than the table holds", text, error.violations)
            return Problem(422, "invalid-item", "The item breaks rules", text, error.violations)
        case UnsupportedMediaType():
            return Problem(415, "unsupported-media-type", "The body is not of a type that is taken", detail)
        case InvalidMessage():
            return Problem(400, "invalid-request", "The request cannot be read", detail)
        case NotFound():
            return Problem(404, "not-found", "There is no such thing", detail)
        case Conflict():
            return Problem(409, "conflict", "The item was changed by others meanwhile", detail)
        case Transient():
            return Problem(503, "try-later", "The table cannot answer now", "ask again a little later")
    return None
