"""Entity tags, and requests that are to be carried out only if an item is, or is not, as the caller has seen it.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-13 (conditional requests) and section 8.8.3 (entity tags).
"""

import re
from dataclasses import dataclass

from tailrace.errors import InvalidMessage, PreconditionFailed

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAG_LIST = re.compile(rf"[ \t]*(?:,[ \t]*)*{_TAG}[ \t]*(?:,[ \t]*(?:{_TAG}[ \t]*)?)*")
_TAG_PATTERN = re.compile(_TAG)


@dataclass(frozen=True, slots=True)
class Tags:
    """What a condition lists: entity tags, or anything that is there (``*``)."""

    any_tag: bool
    tags: frozenset[str]

    def matches_strong(self, tag: str | None) -> bool:
        """Compare strongly: a weak tag is like none (RFC 9110, 8.8.3.2)."""
        return tag is not None and (self.any_tag or tag in self.tags)

    def matches_weak(self, tag: str | None) -> bool:
        """Compare weakly: a weak tag is like the strong one of the same text."""
        return tag is not None and (self.any_tag or not self.tags.isdisjoint((tag, f"W/{tag}")))


@dataclass(frozen=True, slots=True)
class Preconditions:
    """``If-Match`` and ``If-None-Match`` of a request; None where one was not sent."""

    if_match: Tags | None = None
    if_none_match: Tags | None = None

    def __bool__(self) -> bool:
        """Tell whether there is a condition."""
        return self.if_match is not None or self.if_none_match is not None

    @property
    def requires_absence(self) -> bool:
        """Whether all that is asked is that there is no item (``If-None-Match: *``)."""
        return self.if_match is None and self.if_none_match is not None and self.if_none_match.any_tag

    def require(self, tag: str | None) -> None:
        """Check the conditions of a request that writes; ``tag`` is the item's, None where there is no item.

        Raises:
            PreconditionFailed: one of them does not hold.
        """
        if self.if_match is not None and not self.if_match.matches_strong(tag):
            raise PreconditionFailed("there is no such item" if tag is None else f"the item's ETag is {tag}")
        if self.if_none_match is not None and self.if_none_match.matches_weak(tag):
            raise PreconditionFailed(f"the item is there, its ETag is {tag}")

    def not_modified(self, tag: str) -> bool:
        """Check the conditions of a request that reads; True when the caller has the item already (304).

        Raises:
            PreconditionFailed: ``If-Match`` does not hold.
        """
        Preconditions(self.if_match).require(tag)
        return self.if_none_match is not None and self.if_none_match.matches_weak(tag)


UNCONDITIONAL = Preconditions()


def parse_preconditions(if_match: str | None, if_none_match: str | None) -> Preconditions:
    """Read the two headers.

    Raises:
        InvalidMessage: one of them is neither ``*`` nor a list of entity tags.
    """
    return Preconditions(_parse_tags("If-Match", if_match), _parse_tags("If-None-Match", if_none_match))


def _parse_tags(header: str, text: str | None) -> Tags | None:
    if text is None:
        return None
    if text.strip() == "*":
        return Tags(any_tag=True, tags=frozenset())
    if not _TAG_LIST.fullmatch(text):
        raise InvalidMessage(f"{header} is * or a list of entity tags, each in quotation marks")
    return Tags(any_tag=False, tags=frozenset(_TAG_PATTERN.findall(text)))
