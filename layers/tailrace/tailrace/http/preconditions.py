"""Conditional requests and entity tags.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-13 (conditional requests) and section 8.8.3 (entity tags).
"""

import re

from msgspec import Struct

from tailrace.errors import InvalidMessage, PreconditionFailed

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAG_LIST = re.compile(rf"[ \t]*(?:,[ \t]*)*{_TAG}[ \t]*(?:,[ \t]*(?:{_TAG}[ \t]*)?)*")
_TAG_PATTERN = re.compile(_TAG)


class Tags(Struct, frozen=True):
    """The value of a condition: a list of entity tags, or ``*`` for any existing item."""

    any_tag: bool
    tags: frozenset[str]

    def matches_strong(self, tag: str | None) -> bool:
        """Compare strongly: a weak tag never matches (RFC 9110, 8.8.3.2)."""
        return tag is not None and (self.any_tag or tag in self.tags)

    def matches_weak(self, tag: str | None) -> bool:
        """Compare weakly: a weak tag matches the strong tag with the same text."""
        return tag is not None and (self.any_tag or not self.tags.isdisjoint((tag, f"W/{tag}")))


class Preconditions(Struct, frozen=True):
    """``If-Match`` and ``If-None-Match`` of a request; None if the header is absent.

    ``or_absent`` is for messages: an item that does not exist meets the conditions, too.
    """

    if_match: Tags | None = None
    if_none_match: Tags | None = None
    or_absent: bool = False

    def __bool__(self) -> bool:
        """Return whether the request has a condition."""
        return self.if_match is not None or self.if_none_match is not None

    @property
    def requires_absence(self) -> bool:
        """Whether the only condition is that the item does not exist (``If-None-Match: *``)."""
        return self.if_match is None and self.if_none_match is not None and self.if_none_match.any_tag

    def require(self, tag: str | None) -> None:
        """Check the conditions of a write; ``tag`` is the item's entity tag, None if the item does not exist.

        Raises:
            PreconditionFailed: a condition does not hold.
        """
        if tag is None and self.or_absent:
            return
        if self.if_match is not None and not self.if_match.matches_strong(tag):
            raise PreconditionFailed("the item does not exist" if tag is None else f"the item's ETag is {tag}")
        if self.if_none_match is not None and self.if_none_match.matches_weak(tag):
            raise PreconditionFailed(f"the item exists; its ETag is {tag}")

    def not_modified(self, tag: str) -> bool:
        """Check the conditions of a read; return True if the caller already has this version (304).

        Raises:
            PreconditionFailed: ``If-Match`` does not hold.
        """
        Preconditions(self.if_match).require(tag)
        return self.if_none_match is not None and self.if_none_match.matches_weak(tag)


UNCONDITIONAL = Preconditions()


def parse_states(if_match: str | None, if_absent: bool) -> Preconditions:
    """Return the preconditions of a message: the item has one of the tags, or, if ``if_absent``, does not exist.

    Raises:
        InvalidMessage: ``if_match`` is neither ``*`` nor a list of entity tags.
    """
    if if_absent and if_match is None:
        return Preconditions(if_none_match=Tags(any_tag=True, tags=frozenset()))
    return Preconditions(_parse_tags("if_match", if_match), or_absent=if_absent)


def parse_preconditions(if_match: str | None, if_none_match: str | None) -> Preconditions:
    """Parse the two headers.

    Raises:
        InvalidMessage: a header is neither ``*`` nor a list of entity tags.
    """
    return Preconditions(_parse_tags("If-Match", if_match), _parse_tags("If-None-Match", if_none_match))


def _parse_tags(header: str, text: str | None) -> Tags | None:
    if text is None:
        return None
    if text.strip() == "*":
        return Tags(any_tag=True, tags=frozenset())
    if not _TAG_LIST.fullmatch(text):
        raise InvalidMessage(f"{header} must be * or a list of quoted entity tags, not {text[:60]!r}")
    return Tags(any_tag=False, tags=frozenset(_TAG_PATTERN.findall(text)))
