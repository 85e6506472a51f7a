"""One tree of errors, drawn here; everything that Tailrace raises on purpose hangs on it.

::

    TailraceError
    ├── Permanent               trying again gives the same answer: refuse, quarantine or stop
    │   ├── DefinitionError     the pipeline's definition is wrong (raised at import)
    │   ├── SettingsError       an environment variable is missing or wrong
    │   ├── InvalidItem         an item breaks its schema, its transform or the table's limits
    │   ├── InvalidMessage      a message, line, request or record that cannot be read
    │   ├── NotFound            there is no such collection, aggregate or item
    │   ├── Conflict            somebody else changed the item in the meantime
    │   └── PreconditionFailed  the item is not, or is, as a condition of the caller says
    └── Transient               trying again later may succeed: retry, then report
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


class TailraceError(Exception):
    """The root of the tree."""


class Permanent(TailraceError):
    """Trying again cannot help."""


class Transient(TailraceError):
    """Trying again later may help: throttling, time-outs, 5xx answers."""


class DefinitionError(Permanent):
    """The pipeline's definition contradicts itself; the message says where and how to mend it."""


class SettingsError(Permanent):
    """The environment lacks what a function needs; the message names the variable."""


class InvalidMessage(Permanent):
    """Bytes or text that cannot be read as what they claim to be."""


class NotFound(Permanent):
    """A name or key that stands for nothing."""


class Conflict(Permanent):
    """The item is no longer what the caller has seen."""


class PreconditionFailed(Permanent):
    """An item is not, or is, as the condition of a request says; nothing was done."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One reason why an item is refused.

    ``pointer`` is the JSON Pointer (RFC 6901) of the offending place, "" for the whole item; ``keyword`` is the
    JSON Schema keyword that failed, or the engine's word for a rule of its own (``transform``, ``size`` …).
    """

    pointer: str
    keyword: str
    message: str


class InvalidItem(Permanent):
    """An item that breaks rules; ``violations`` holds every one of them, at least one.

    They may be given as a function, which is asked when somebody wants to know: a report takes a hundred times as long
    as finding out that there is something to report.
    """

    def __init__(self, violations: Iterable[Violation] | Callable[[], Iterable[Violation]]) -> None:
        super().__init__()
        self._find_violations = violations if callable(violations) else None
        self._violations = () if callable(violations) else tuple(violations)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every violation, at least one."""
        if self._find_violations is not None:
            self._violations, self._find_violations = tuple(self._find_violations()), None
        return self._violations

    def __str__(self) -> str:
        return "; ".join(f"{violation.pointer or '/'}: {violation.message}" for violation in self.violations)


class UnsupportedKeyOrder(Permanent):
    """A query that the key of an aggregate does not allow: what it asks for does not lie together."""


class QueryTooLarge(Permanent):
    """A query whose answer would take more reads, or more memory, than a request has."""
