"""Each safeguard of coverage without sentinels is broken on purpose, and some history has to find it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest

from tailrace.aws.backfill import feeder
from tailrace.aws.backfill.claim_rows import ClaimRows
from tailrace.aws.jobs.steps import listening
from tailrace.aws.jobs.timing import Timing
from tailrace.backfill.claims import Beyond, look_beyond
from tailrace.backfill.coverage import END
from tests.simulation.jobs.__main__ import play
from tests.simulation.jobs.stack import processes
from tests.simulation.seeds import first_failing

_SEEDS = 150
_RICH: Mapping[str, tuple[int, ...]] = {
    "_believe_the_first_empty_page": (2,),
    "_pass_over_unread_records": (2,),
    "_look_at_listed_shards_once": (0,),
    "_ignore_contradictions": (43,),
    "_claim_more_than_was_dealt_with": (43,),
}
"""Seeds to try first, by safeguard. A stale list makes the test slower, and the summary names another seed."""


def _believe_the_first_empty_page(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processes, "Timing", lambda **given: Timing(**given | {"quiet_s": -1000, "timeout_s": -1000}))
    patch.setattr(Timing, "longest_s", property(lambda _self: -1000))


def _pass_over_unread_records(patch: pytest.MonkeyPatch) -> None:
    def broken(records: Any, **how: Any) -> Beyond:
        found = look_beyond(records, **how)
        return Beyond.NOTHING if found is Beyond.UNREAD else found

    patch.setattr(listening, "look_beyond", broken)


def _look_at_listed_shards_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(listening, "unproven", lambda _listed, _told, _after: [])


def _ignore_contradictions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feeder, "is_contradicted", lambda _shard, _records, _throughs: False)


def _claim_more_than_was_dealt_with(patch: pytest.MonkeyPatch) -> None:
    write = ClaimRows.write

    def broken(self: ClaimRows, boundary: str, throughs: Mapping[str, int], now: datetime) -> None:
        write(self, boundary, dict.fromkeys(throughs, END), now)

    patch.setattr(ClaimRows, "write", broken)


@pytest.mark.parametrize(
    "broken",
    [
        _believe_the_first_empty_page,
        _pass_over_unread_records,
        _look_at_listed_shards_once,
        _ignore_contradictions,
        _claim_more_than_was_dealt_with,
    ],
)
def test_a_broken_safeguard_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    name = broken.__name__
    assert first_failing(lambda seed: play(seed, attached=True), _RICH[name], range(_SEEDS), name) is not None
