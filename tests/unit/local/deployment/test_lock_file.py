"""The file of the lock: it is made, merged and written anew; what is wrong with it is said in one sentence."""

import errno
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from local.deployment.definition_lock import check_lock, write_lock
from local.errors import MeaningChanged
from pipeline.definition import pipeline
from tailrace.backfill.fingerprints.lock import MeaningLock, lock_path
from tests.unit.local.deployment.pipeline_checkout import NAME, Checkout


def test_a_missing_lock_is_made(checkout: Checkout) -> None:
    before = checkout.lock.read_text()
    checkout.lock.unlink()
    with pytest.raises(MeaningChanged, match="out of date"):
        checkout.run(check_lock, add=False)
    checkout.run(check_lock, add=True)
    assert checkout.lock.read_text() == before


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n{}", "[]", '{"aggregates": {}}', '{"aggregates": {"a@1": 1}}', "\xff"])
def test_a_lock_that_cannot_be_read_is_one_sentence(checkout: Checkout, text: str) -> None:
    checkout.lock.write_bytes(text.encode("latin-1"))
    with pytest.raises(MeaningChanged, match=rf"pipeline/{NAME} cannot be read \(.*\): run `make definition-lock`"):
        checkout.run(check_lock, add=True)
    checkout.run(write_lock)
    checkout.run(check_lock, add=False)


def test_a_lock_with_a_merge_conflict_keeps_what_was_accepted(checkout: Checkout) -> None:
    lines = checkout.lock.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if "carrier_hours@1" in line)
    sides = [f'    "carrier_hours@1": "{here} {"a" * 32}",' for here in ("b" * 32, "c" * 32)]
    lines[place : place + 1] = ["<<<<<<< HEAD", sides[0], "=======", sides[1], ">>>>>>> theirs"]
    checkout.lock.write_text("\n".join(lines))
    checkout.run(write_lock)
    assert checkout.said[-1].endswith("Accepted as unchanged: carrier_hours@1.")
    present, *earlier = MeaningLock.parse(checkout.lock.read_text()).aggregates["carrier_hours@1"]
    assert earlier == ["c" * 32, "b" * 32, "a" * 32]
    assert present == MeaningLock.of(pipeline).aggregates["carrier_hours@1"][0]


def test_a_lock_that_may_not_be_read_is_written_anew(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def refuse(path: Path, *arguments: Any, **options: Any) -> str:
        if path == checkout.lock:
            raise PermissionError("denied")
        return read(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", refuse)
        checkout.run(write_lock)
    checkout.run(check_lock, add=False)


def test_a_lock_that_cannot_be_written_is_said(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start continues; `make definition-lock` fails, so that no later step assumes a written lock."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    checkout.lock.unlink()
    monkeypatch.setattr(Path, "write_text", refuse)
    sentence = f"The definition's meaning is not locked: pipeline/{NAME} cannot be written (Read-only file system)."
    checkout.run(check_lock, add=True)
    assert checkout.said == [sentence]
    with pytest.raises(MeaningChanged, match=re.escape(sentence)):
        checkout.run(write_lock)
    assert checkout.said == []


def test_a_pipeline_without_a_file_has_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "elsewhere", type(sys)("elsewhere"))
    said: list[str] = []
    check_lock(pipeline, "elsewhere:pipeline", said.append, add=False)
    assert said == ["The meaning of elsewhere:pipeline is not locked: its module is not a file of this repository."]
    with pytest.raises(MeaningChanged, match="cannot be locked"):
        write_lock(pipeline, "elsewhere:pipeline", said.append)


def test_each_module_has_a_lock_of_its_own() -> None:
    import tests.pipelines.orders  # noqa: F401, PLC0415 - a lock lies beside an imported module

    path = lock_path("tests.pipelines.orders:pipeline")
    assert path is not None
    assert path.parts[-2:] == ("pipelines", "orders.lock.json")
