"""An object to store in a bucket."""

from msgspec import Struct


class StoredObject(Struct, frozen=True):
    """A key, content and its media type; the key is a function of the content or of its origin."""

    key: str
    body: bytes
    content_type: str = "application/json"
