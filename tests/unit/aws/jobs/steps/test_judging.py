"""What a verification makes of rows that TTL has removed, and of rows that it can only repair in part."""

from collections.abc import Iterable, Sequence
from copy import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tailrace import Aggregate, count, day, days, distinct, field, hop, hours, maximum, quantile
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.update_expressions import OrderState, order_request
from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.jobs.steps import machine, reading, repairing
from tailrace.aws.jobs.steps.reading import ReadRow
from tailrace.aws.jobs.steps.repairing import Repairer
from tailrace.backfill.generations import State, created
from tailrace.encoding.dynamodb import encode_item
from tests.simulation.jobs.stack.processes import Died
from tests.simulation.jobs.stack.stream import START
from tests.unit.aws.jobs.steps.orders_player import Calm, orders

MEASURES: Any = {"n": count(), "most": maximum("amount"), "kinds": distinct("kind"), "half": quantile("amount", 0.5)}
KEPT = Aggregate("sales", of=orders, by=[field("shop"), day("placed")], measures=MEASURES, keep=days(90))
LANES = Aggregate("lanes", of=orders, by=[day("placed")], measures={"n": count()}, keep=days(90), lanes=2)
SALES = Aggregate("sales", of=orders, by=[field("shop")], measures={"most": maximum("amount")}, listed=False)
COUNTS = Aggregate("counts", of=orders, by=[field("shop")], measures={"n": count()}, listed=False)
MOST = replace(COUNTS, measures={"n": count(), "most": maximum("amount")})
DAY = 24 * 3600
# the simulation begins on 15 January 2027
OLD, LATER = "2026-12-01", "2027-01-10"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")


@pytest.fixture
def kept() -> Calm:
    """A stack two months later: TTL has removed the rows of the old item, which is still there."""
    player = Calm(KEPT, LANES)
    item = {"shop": "a", "kind": "x", "amount": 5}
    player.write([item | {"placed": OLD}, item | {"placed": LATER}])
    player.world.now += 60 * DAY
    before = player.rows()
    player.world.expire_rows()
    assert len(player.rows()) < len(before)
    return player


def of_old(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the old item's day."""
    return [row for row in rows if OLD in row["pk"] + row["sk"]]


@pytest.mark.parametrize("repairs", [False, True])
def test_rows_that_keep_has_ended_are_no_difference_and_stay_away(kept: Calm, repairs: bool) -> None:
    verdict = kept.verify(repairs=repairs)
    assert verdict.findings == ()
    compared = len(kept.rows()) + 1  # the base counts in a lane that is not stored
    assert verdict.job.data["counts"] == dict.fromkeys(verdict.job.data["counts"], 0) | {"rows": compared}
    assert not of_old(kept.rows())
    assert all(one.exact for one in kept._control().generations.values())


def test_late_changes_during_a_verification_are_no_difference(kept: Calm) -> None:
    """Their rows are known from the journal only, beside those of shop a."""
    kept.meanwhile = [{"shop": context, "kind": "y", "amount": 7, "placed": OLD} for context in "abcabcabc"]
    assert kept.verify(repairs=True).findings == ()
    assert not of_old(kept.rows())


def test_a_row_that_keep_has_not_ended_is_repaired_with_its_end(kept: Calm) -> None:
    pk = "sales@1#a"
    ends = [row["expires_at"] for row in kept.rows() if row["pk"] == pk]
    for row in kept.rows():
        if row["pk"] == pk:
            kept.world.database.delete_item(TableName="aggregates", Key=encode_item({"pk": pk, "sk": row["sk"]}))
    (finding,) = kept.verify(repairs=True).findings
    assert (finding["pk"], finding["sk"], finding["repaired"]) == (pk, LATER, True)
    (row,) = [row for row in kept.rows() if row["pk"] == pk]
    assert (row["n"], row["most"], row["kinds"], row["half"], row["expires_at"]) == (1, 5, 1, 5, *ends)


def test_a_row_whose_end_comes_before_its_repair_is_left_alone(kept: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    (end,) = (row["expires_at"] for row in kept.rows() if row["pk"] == "sales@1#a")
    kept.change("sales@1#a", 1, n=3)
    kept.world.now = end - 2 * 3600
    repair = Repairer.repair

    def late(self: Repairer, findings: Any) -> Any:
        found = [*findings]
        if found:
            kept.world.now = end + 60
            kept.world.expire_rows()
        return repair(self, found)

    monkeypatch.setattr(Repairer, "repair", late)
    assert [one["repaired"] for one in kept.verify(repairs=True).findings] == [False]
    assert not [row for row in kept.rows() if row["pk"] == "sales@1#a"]


def test_a_repeated_part_takes_back_what_it_does_not_find_any_more(kept: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket of a wrong row ends between a call that was killed and its repetition."""
    for one in kept.rows():
        if one["pk"].startswith("sales@"):
            kept.change(one["pk"], one["~n"], n=9)
    write, written, killed = Folder.write, list[str](), list[str]()

    def killed_before_the_counts(folder: Folder, path: str, lines: Iterable[bytes]) -> None:
        if not killed and path.startswith("counts/") and any(one.startswith("report/") for one in written):
            killed.append(path)
            kept.world.now += 60 * DAY
            raise Died
        written.append(path)
        write(folder, path, lines)

    monkeypatch.setattr(Folder, "write", killed_before_the_counts)
    verdict = kept.verify()
    assert killed
    assert len(verdict.findings) == verdict.job.data["counts"]["different"] == 0


def test_a_rebuild_writes_no_rows_that_keep_has_ended(kept: Calm) -> None:
    control = kept.world.job_context().control
    before = control.read().generations["sales", 1]
    assert control.replace(before, replace(before, state=State.INTERRUPTED))
    assert kept._job("build", [before.id]).job.state == "done"
    built = [row for row in kept.rows() if "sales@1~1#" in row["pk"]]
    assert not of_old(built)
    assert len(built) == len([row for row in kept.rows() if "sales@1#" in row["pk"]])
    kept.world.expire_rows()
    assert kept.verify(repairs=True).findings == ()


@pytest.mark.parametrize(
    ("aggregate", "key", "end"),
    [
        (KEPT, ("sales@1#a", "2027-01-10"), 91),
        (KEPT, ("~most.6#sales@1#a#2027-01-10", "n25"), 91),
        (KEPT, ("~groups#sales@1", "a"), None),
        (KEPT, ("~groups#sales@1#a#2027-01-10", "sx"), 91),
        (LANES, ("lanes@1#2027-01-10", "-#1"), 91),
        (SALES, ("sales@1#2027-01-10", "-"), None),
    ],
)
def test_the_key_of_a_row_says_when_it_ends(aggregate: Aggregate, key: tuple[str, str], end: int | None) -> None:
    midnight = START - START % DAY - 5 * DAY
    space = RowSpace(created(aggregate.name, 1, ""), aggregate)
    assert space.expires_at(key) == (None if end is None else midnight + end * DAY)


def test_the_values_of_a_measure_called_groups_are_no_list_of_groups() -> None:
    named = Aggregate("sales", of=orders, by=[field("shop")], measures={"groups": distinct("kind")})
    space = RowSpace(created("sales", 1, ""), named)
    value, listed = ("~groups#sales@1#a#-", "sx"), ("~groups#sales@1", "a")
    assert (space.main_key(value), space.main_key(listed)) == (("sales@1#a", "-"), listed)
    assert (space.layout(value).labels, space.layout(listed).labels) == (("value",), ("shop",))


def test_rows_of_windows_end_with_them() -> None:
    group = hop("placed", size=hours(3), every=hours(1))
    windows = Aggregate("w", of=orders, by=[field("shop"), group], measures=MEASURES, keep=timedelta(hours=1))
    space = RowSpace(created("w", 1, ""), windows)
    label = group.text(group.value({"placed": "2027-01-10T05:30"}))
    assert space.expires_at(("w@1#a%23", label)) == windows.expires_at(["a#", label])


@pytest.fixture
def spoiled() -> Calm:
    """A stack in which each of two shops shows a value that no item has, as a lost retraction would leave it."""
    player = Calm(SALES)
    player.write([{"shop": context, "amount": amount} for context in "ab" for amount in (5, 9)])
    player.write([{"shop": context, "amount": 5} for context in "aabb"])
    for context in "ab":
        player.change(f"~most#sales@1#{context}#-", 0, **{"~n": 1})
        player.change(f"sales@1#{context}", 2, most=9)
    return player


def test_values_are_not_repaired_before_their_main_row_shows_it(spoiled: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main row of shop a has another version whenever it is to be written."""

    def written_since(table: str, row: RowChange, state: OrderState, now: datetime) -> Any:
        version = state.version + (row.key == ("sales@1#a", "-"))
        return order_request(table, row, replace(state, version=version), now)

    monkeypatch.setattr(repairing, "order_request", written_since)
    found = {one["pk"]: one["repaired"] for one in spoiled.verify(repairs=True).findings}
    assert found == {"~most#sales@1#a#-": False, "~most#sales@1#b#-": True}
    assert not spoiled._control().generations["sales", 1].exact
    monkeypatch.undo()
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    (left,) = spoiled.verify(repairs=True).findings
    assert (left["pk"], left["expected_order"], left["repaired"]) == ("sales@1#a", {"most": 5}, True)
    assert spoiled._control().generations["sales", 1].exact


def test_a_row_that_is_left_is_counted_beside_one_that_was_not_judged(
    spoiled: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main row of shop a is not judged, but written again; a value row of shop b is not repaired."""
    with_order, repair = reading._with_order, Repairer._repair

    def busy(context: Any, space: Any, read: ReadRow, firsts: Any) -> ReadRow:
        is_judged = read.key != ("sales@1#a", "-")
        return with_order(context, space, read, firsts) if is_judged else replace(read, judged=False)

    monkeypatch.setattr(reading, "_with_order", busy)
    monkeypatch.setattr(Repairer, "_repair", lambda self, one: "#a" in one.key[0] and repair(self, one))
    verdict = spoiled.verify(repairs=True)
    assert {(one["pk"], one["finding"], one["repaired"]) for one in verdict.findings} == {
        ("sales@1#a", "not judged", True),
        ("~most#sales@1#a#-", "different", True),
        ("~most#sales@1#b#-", "different", False),
    }
    found = {"rows": 6, "different": 2, "repaired": 1, "left": 1, "not_judged": 1, "inexact": 0, "unknown": 0}
    assert verdict.job.data["counts"] == found


def test_values_without_a_main_row_are_repaired(spoiled: Calm) -> None:
    spoiled.write([None] * 4)
    for row in spoiled.rows():
        if not row["pk"].startswith("~"):
            key = encode_item({"pk": row["pk"], "sk": row["sk"]})
            spoiled.world.database.delete_item(TableName="aggregates", Key=key)
    spoiled.change("~most#sales@1#a#-", 0, **{"~n": 1})
    found = spoiled.verify(repairs=True).findings
    assert ("~most#sales@1#a#-", [1], [0], True) in [
        (one["pk"], one["stored"], one["expected"], one["repaired"]) for one in found
    ]
    assert all(one["repaired"] for one in found)
    assert not any(row["~n"] for row in spoiled.rows())


@pytest.mark.parametrize("aggregate", [COUNTS, replace(COUNTS, lanes=2), MOST])
def test_a_row_that_was_lost_with_a_change_since_the_baseline_is_repaired_by_the_next_job(
    aggregate: Aggregate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is gone does not say that it had absorbed the change, and the stream does not deliver it again."""
    player = Calm(aggregate)
    player.write([{"shop": "a", "amount": 5}] * 2)
    (part, *rest), left = machine._PARTS["keys"], [{"shop": "a", "amount": 9}]

    def lost(context: Any, job: Any, number: int) -> None:
        if left:
            player.world.write("orders#late", left.pop())
            player.world.settle()
            for row in player.rows():
                key = encode_item({"pk": row["pk"], "sk": row["sk"]})
                player.world.database.delete_item(TableName="aggregates", Key=key)
        part(context, job, number)

    monkeypatch.setattr(machine, "_PARTS", {**machine._PARTS, "keys": (lost, *rest)})
    found = {one["pk"]: one["repaired"] for one in player.verify(repairs=True).findings}
    assert found.pop("counts@1#a") is False
    assert all(found.values())  # value rows that had no change since
    assert not player._control().generations["counts", 1].exact
    assert all(one["repaired"] for one in player.verify(repairs=True).findings)
    assert sum(row.get("n", 0) for row in player.rows()) == 3
    assert {row["shop"] for row in player.rows() if "n" in row} == {"a"}
    assert [row["most"] for row in player.rows() if "most" in row] == [9] * (aggregate is MOST)
    assert player._control().generations["counts", 1].exact
