"""The error tree: the base classes, and the errors that several rooms use.

::

    TailraceError
    ├── Permanent                retrying gives the same result: refuse, quarantine or stop
    │   ├── DefinitionError      the pipeline definition is wrong (raised at import)
    │   ├── SettingsError        an environment variable is missing or invalid
    │   ├── InvalidItem          an item violates its schema, its transform or DynamoDB's limits
    │   ├── InvalidMessage       a message, line, request or record cannot be parsed
    │   ├── NotFound             no such collection, aggregate or item
    │   ├── Conflict             another writer changed the item in the meantime
    │   ├── PreconditionFailed   the item does not meet the request's precondition
    │   ├── WritesOff            the stack only reads its table: its write entrances are off
    │   ├── UnfitTable           an existing table that the stack cannot be attached to
    │   ├── NotBuilt             no generation of the aggregate can be shown yet
    │   ├── NotAdditive          a measure cannot be derived from several rows
    │   ├── UnsupportedKeyOrder  the aggregate's group order does not support the query
    │   └── QueryTooLarge        the query exceeds the reads or memory of one request
    └── Transient                a retry may succeed: retry, then report
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Self

from msgspec import Struct


class TailraceError(Exception):
    """Base class of all Tailrace errors."""

    def without_frames(self) -> Self:
        """Return this error to be kept as a value.

        Its frames, and those of its causes, hold what they worked on, perhaps a whole batch. They also hold the error,
        so that all of that would stay until Python looks for cyclic garbage.
        """
        pending: list[BaseException] = [self]
        while pending:
            one = pending.pop()
            pending += [other for other in (one.__cause__, one.__context__) if other is not None]
            one.__traceback__ = one.__cause__ = one.__context__ = None
        return self


class Permanent(TailraceError):
    """Retrying cannot help."""


class Transient(TailraceError):
    """Retrying later may help: throttling, timeouts, 5xx responses."""


class DefinitionError(Permanent):
    """The pipeline definition is invalid; the message says where, and how to fix it.

    Example:
        >>> from tailrace import DefinitionError, top
        >>> try:
        ...     top("product", 200)
        ... except DefinitionError as error:
        ...     print(error)
        top('product'): most must be an integer from 1 to 100, not 200
    """


class SettingsError(Permanent):
    """A required environment variable is missing or invalid; the message names it."""


class InvalidMessage(Permanent):
    """Bytes or text that cannot be parsed in the expected format."""


class NotFound(Permanent):
    """No collection, aggregate or item has this name or key."""


class Conflict(Permanent):
    """The item has changed since the caller read it."""


class PreconditionFailed(Permanent):
    """The item does not meet the request's precondition; nothing was written."""


class WritesOff(Permanent):
    """The stack only reads its items table; nothing was written."""

    def __init__(self) -> None:
        super().__init__(
            "this stack only reads its items table: write to the table itself, or deploy with WriteEntrances=on"
        )


class UnfitTable(Permanent):
    """The stack cannot be attached to an existing table; the message says why, and what to do."""


class Violation(Struct, frozen=True):
    """One reason for rejecting an item.

    Attributes:
        pointer: JSON Pointer (RFC 6901) to the offending value; "" for the whole item.
        keyword: the JSON Schema keyword that failed, or the engine's name for a rule of its own (``transform``,
            ``size`` …).
        message: the reason, for people.
    """

    pointer: str
    keyword: str
    message: str


class InvalidItem(Permanent):
    """An item that violates at least one rule; ``violations`` lists them all.

    Pass a function to compute them on first access: a full report takes a hundred times as long as the check that
    finds the item invalid.
    """

    def __init__(self, violations: Iterable[Violation] | Callable[[], Iterable[Violation]]) -> None:
        super().__init__()
        self._find_violations = violations if callable(violations) else None
        self._violations = () if callable(violations) else tuple(violations)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All violations; at least one."""
        if self._find_violations is not None:
            self._violations, self._find_violations = tuple(self._find_violations()), None
        return self._violations

    def __str__(self) -> str:
        return "; ".join(f"{violation.pointer or '/'}: {violation.message}" for violation in self.violations)


class NotBuilt(Permanent):
    """No generation of the aggregate can be shown yet; ``progress`` is that of its build, from 0 to 1, if known."""

    def __init__(self, message: str, progress: Decimal | None = None) -> None:
        self.progress = progress
        super().__init__(message)


class NotAdditive(Permanent):
    """A measure of several rows cannot be derived from these rows."""


class UnsupportedKeyOrder(Permanent):
    """The aggregate's group order does not support the query: the rows it selects are not contiguous."""


class QueryTooLarge(Permanent):
    """The query would take more reads, or more memory, than one request has."""
