"""Receipts and checkpoints lie at the path of their file, however long it is."""

import hashlib

import pytest

from tailrace.outputs.inbox_keys import checkpoint_key, receipt_key


def test_they_lie_at_the_path_of_the_file() -> None:
    assert receipt_key("inbox/orders/a day+.csv") == "receipts/orders/a day+.csv.json"
    assert checkpoint_key("inbox/orders/a day+.csv") == "checkpoints/orders/a day+.csv.json"


@pytest.mark.parametrize("character", ["x", "é", "☃"])
def test_any_key_that_a_file_may_have_has_others_of_its_own(character: str) -> None:
    size = len(character.encode())
    files = [f"inbox/orders/{character * (bytes_ // size)}" for bytes_ in range(900, 1012)]
    assert max(len(file.encode()) for file in files) > 1024 - size
    for key in (receipt_key, checkpoint_key):
        found = {file: key(file) for file in files}
        assert max(len(one.encode()) for one in found.values()) <= 1024
        assert len(set(found.values())) == len(set(files))


def test_a_long_one_is_named_by_the_digest_of_the_files_key() -> None:
    """Held, since who waits for a receipt makes its key from the documentation."""
    file = "inbox/orders/" + "x" * 1005
    digest = hashlib.sha256(file.encode()).hexdigest()
    assert receipt_key(file) == f"receipts/~long/{digest}.json"
    assert checkpoint_key(file) == f"checkpoints/~long/{digest}.json"
