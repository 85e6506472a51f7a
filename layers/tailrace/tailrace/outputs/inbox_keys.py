"""Keys of what load writes about a file of the inbox: its receipt, and its checkpoint."""

import hashlib

INBOX, RECEIPTS, CHECKPOINTS = "inbox/", "receipts/", "checkpoints/"

MAX_KEY_BYTES = 1024
"""The longest key of an object in S3."""


def receipt_key(file: str) -> str:
    """Return the key of a file's receipt; ``file`` is the file's own key."""
    return _key(RECEIPTS, file)


def checkpoint_key(file: str) -> str:
    """Return the key of a file's checkpoint; ``file`` is the file's own key."""
    return _key(CHECKPOINTS, file)


def _key(folder: str, file: str) -> str:
    key = f"{folder}{file.removeprefix(INBOX)}.json"
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    return f"{folder}~long/{hashlib.sha256(file.encode()).hexdigest()}.json"
