"""Item digests and entity tags."""

import hashlib
from collections.abc import Mapping
from typing import Any

from tailrace.encoding.tagged_json import canonical_json

_DIGEST_CHARACTERS = 32


def item_digest(item: Mapping[str, Any], expires_at: Any = None) -> str:
    """Return a digest of an item's content and expiry; items that DynamoDB considers equal have equal digests.

    It depends on nothing else, so it does not matter who wrote the item, or how.
    """
    return hashlib.sha256(canonical_json([item, expires_at]).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def entity_tag(digest: str) -> str:
    """Return the strong entity tag of a digest, quoted as in the ``ETag`` header."""
    return f'"{digest}"'
