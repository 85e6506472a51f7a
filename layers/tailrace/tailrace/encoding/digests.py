"""Digests of items, and their entity tags."""

import hashlib
from collections.abc import Mapping
from typing import Any

from tailrace.encoding.tagged_json import canonical_json

_DIGEST_CHARACTERS = 32


def item_digest(item: Mapping[str, Any], expires_at: Any = None) -> str:
    """Return a digest of an item's content and of when it expires: equal for what is equal to the table.

    It looks at nothing else, so that it is the same whoever has written the item, and however.
    """
    return hashlib.sha256(canonical_json([item, expires_at]).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def entity_tag(digest: str) -> str:
    """Return the strong entity tag of a digest, as the header ``ETag`` has it."""
    return f'"{digest}"'
