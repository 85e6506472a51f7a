"""An object to store in a bucket."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A key, content and its media type; the key is a function of the content or of its origin."""

    key: str
    body: bytes
    content_type: str = "application/json"
