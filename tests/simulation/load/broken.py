"""Safeguards of ``load``, broken one at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tailrace.aws.items.batch_writer import _BatchWriter
from tailrace.aws.stages import checkpoints, load, receipts
from tailrace.aws.stages.checkpoints import Checkpoint, Checkpoints
from tailrace.aws.stages.load import Loader
from tailrace.aws.stages.tally import Tally

type Break = Callable[[pytest.MonkeyPatch], None]


def _wait_for_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "_rest_of_lease_s", lambda _self, _written_at: 0)


def _wait_for_a_lease_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoints, "_CALL_MS", 0)


def _renew_no_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "require_held", lambda _self: None)


def _renew_although_it_was_taken(patch: pytest.MonkeyPatch) -> None:
    def broken(self: Checkpoints) -> None:
        if self._kept is not None and self._kept_at_ms - self.remaining_ms() > checkpoints._LEASE_MS:
            self.keep(self._kept)

    patch.setattr(Checkpoints, "require_held", broken)


def _release_from_the_beginning(patch: pytest.MonkeyPatch) -> None:
    keep = Checkpoints.keep
    patch.setattr(Checkpoints, "keep", lambda self, found, **_options: keep(self, found, released=True))


def _write_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    put = Checkpoints._put

    def broken(self: Checkpoints, body: bytes) -> bool:
        self._condition = {}
        return put(self, body)

    patch.setattr(Checkpoints, "_put", broken)


def _take_the_file_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "_is_of_earlier_upload", lambda _self, _found: True)


def _leave_a_file_to_its_earlier_upload(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "_is_of_earlier_upload", lambda _self, _found: False)


def _begin_at_the_beginning(patch: pytest.MonkeyPatch) -> None:
    find = Checkpoints.find

    def broken(self: Checkpoints) -> Checkpoint | None:
        find(self)
        return None

    patch.setattr(Checkpoints, "find", broken)


def _continue_what_a_later_upload_has_begun(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoints, "is_later", lambda _one, _other: False)


def _stop_nobody_when_the_file_is_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoints, "end", lambda self, beginning: self.find() or beginning)


def _share_the_errors(patch: pytest.MonkeyPatch) -> None:
    def broken(self: Tally) -> Checkpoint:
        return Checkpoint(self.started_at, *self.bookmark, self.accepted, self.rejected, self.errors)

    patch.setattr(Tally, "checkpoint", broken)


def _keep_before_writing(patch: pytest.MonkeyPatch) -> None:
    def broken(self: Loader, work: Any) -> None:
        self._require_current(work)
        if work.clock.is_checkpoint_due():
            work.checkpoints.keep(work.tally.checkpoint())
            work.clock.start_anew()
        self._flush(work)
        work.tally.buffered_lines = work.tally.buffered_bytes = 0

    patch.setattr(Loader, "_flush_current", broken)


def _ignore_unprocessed_items(patch: pytest.MonkeyPatch) -> None:
    write = _BatchWriter._write

    def broken(self: _BatchWriter, rows: Sequence[Any]) -> Sequence[Any]:
        write(self, rows)
        return []

    patch.setattr(_BatchWriter, "_write", broken)


def _ignore_failures_of_quarantine(patch: pytest.MonkeyPatch) -> None:
    module: Any = load
    put = module.put_objects
    patch.setattr(module, "put_objects", lambda *arguments, **named: put(*arguments, **named) and [])


def _load_what_was_loaded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(receipts, "_supersedes", lambda _body, _upload: False)


def _write_receipts_over_any(patch: pytest.MonkeyPatch) -> None:
    put = receipts.Receipts._put
    patch.setattr(receipts.Receipts, "_put", lambda self, upload, body, _condition: put(self, upload, body, {}))


BROKEN: dict[Break, int] = {
    _wait_for_nobody: 32,
    _wait_for_a_lease_alone: 1224,
    _renew_no_lease: 29,
    _renew_although_it_was_taken: 259,
    _release_from_the_beginning: 32,
    _write_whatever_is_there: 15,
    _take_the_file_back: 15,
    _leave_a_file_to_its_earlier_upload: 35,
    _begin_at_the_beginning: 0,
    _continue_what_a_later_upload_has_begun: 35,
    _stop_nobody_when_the_file_is_gone: 865,
    _share_the_errors: 17,
    _keep_before_writing: 0,
    _ignore_unprocessed_items: 90,
    _ignore_failures_of_quarantine: 178,
    _load_what_was_loaded: 6,
    _write_receipts_over_any: 6,
}
"""For each safeguard a seed to try first. A stale seed makes the test slower, and the summary names another one."""
