"""Repairs of rows that change since they were read, and of rows that are marked as inexact."""

from copy import replace
from typing import Any

import pytest

from tailrace import Aggregate, count, field, maximum
from tailrace.aws.jobs.steps.repairing import Repairer
from tailrace.encoding.dynamodb import encode_item
from tests.unit.aws.jobs.steps.orders_player import Calm, orders

COUNTS = Aggregate("counts", of=orders, by=[field("shop")], measures={"n": count()}, listed=False)
MOST = replace(COUNTS, measures={"n": count(), "most": maximum("amount")})


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")


@pytest.mark.parametrize("flagged", [(0,), (1,), (0, 1)])
def test_lanes_that_could_not_hold_a_sum_are_repaired_whichever_they_are(flagged: tuple[int, ...]) -> None:
    player = Calm(replace(COUNTS, lanes=2))
    player.write([{"shop": "a"}] * 3)
    (row,) = player.rows()
    for lane in (0, 1):
        counters = {"~n": 1, "n": 0} if lane in flagged else {"~n": 3 - len(flagged), "n": 1}
        mine = row | {"sk": f"-#{lane}"} | counters | ({"~inexact": 1} if lane in flagged else {})
        player.world.database.put_item(TableName="aggregates", Item=encode_item(mine))
    (finding,) = player.verify(repairs=True).findings
    assert (finding["finding"], finding["repaired"]) == ("inexact", True)
    assert (sum(one["n"] for one in player.rows()), sum(one["~n"] for one in player.rows())) == (3, 3)
    assert not any("~inexact" in one for one in player.rows())
    assert player.verify().findings == ()


@pytest.mark.parametrize("inexact", [0, 2])
def test_a_row_that_lacks_another_change_since_it_was_read_stays_marked(
    inexact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Calm(COUNTS)
    player.write([{"shop": "a"}] * 3)
    player.change("counts@1#a", 3, n=1, **({"~inexact": inexact} if inexact else {}))
    repair = Repairer.repair

    def late(self: Repairer, findings: Any) -> Any:
        found = [*findings]
        if found:
            player.change("counts@1#a", 3, **{"~inexact": inexact + 1})
        return repair(self, found)

    monkeypatch.setattr(Repairer, "repair", late)
    (finding,) = player.verify(repairs=True).findings
    assert finding["repaired"] is not bool(inexact)
    (row,) = player.rows()
    assert (row["n"], row["~inexact"]) == (1 if inexact else 3, inexact + 1)
    monkeypatch.setattr(Repairer, "repair", repair)
    (finding,) = player.verify(repairs=True).findings
    assert (finding["finding"], finding["repaired"]) == ("inexact", True)
    assert [(row["n"], "~inexact" in row) for row in player.rows()] == [(3, False)]


def test_a_row_that_is_still_too_large_for_its_order_measures_stays_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    player = Calm(MOST)
    player.write([{"shop": "a", "amount": 5}] * 3)
    player.change("counts@1#a", 3, **{"~inexact": 1})
    send = Repairer._send

    def too_large(self: Repairer, request: Any) -> bool:
        return "~v" not in request["ExpressionAttributeNames"].values() and send(self, request)

    monkeypatch.setattr(Repairer, "_send", too_large)
    (finding,) = player.verify(repairs=True).findings
    assert (finding["finding"], finding["repaired"]) == ("inexact", False)
    assert [row["~inexact"] for row in player.rows() if "n" in row] == [1]


@pytest.mark.parametrize("aggregate", [COUNTS, MOST, replace(COUNTS, lanes=2)])
def test_a_repair_that_is_repeated_adds_nothing_twice(aggregate: Aggregate, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Calm(aggregate)
    player.write([{"shop": "a", "amount": 5}] * 3)
    player.change("counts@1#a", 3, n=1)
    repair = Repairer.repair

    def twice(self: Repairer, findings: Any) -> Any:
        found = [*findings]
        assert [*repair(self, found)] == [*repair(self, found)]
        return repair(self, found)

    monkeypatch.setattr(Repairer, "repair", twice)
    (finding,) = player.verify(repairs=True).findings
    assert finding["repaired"]
    assert sum(row.get("n", 0) for row in player.rows()) == 3
    assert player.verify().findings == ()


@pytest.mark.parametrize("aggregate", [COUNTS, MOST])
def test_a_row_that_is_gone_since_it_was_read_gets_no_part_of_its_sums(
    aggregate: Aggregate, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Calm(aggregate)
    player.write([{"shop": "a", "amount": 5}] * 3)
    player.change("counts@1#a", 3, n=1)
    repair, repaired = Repairer.repair, list[bool]()

    def late(self: Repairer, findings: Any) -> Any:
        found = [*findings]
        if found and not repaired:
            for row in player.rows():
                key = encode_item({"pk": row["pk"], "sk": row["sk"]})
                player.world.database.delete_item(TableName="aggregates", Key=key)
        found = [*repair(self, found)]
        repaired.extend(one.repaired for one in found)
        return found

    monkeypatch.setattr(Repairer, "repair", late)
    player.verify(repairs=True)
    assert repaired == [False]
    assert player.rows() == []
    player.verify(repairs=True)
    assert [row["n"] for row in player.rows() if "n" in row] == [3]
