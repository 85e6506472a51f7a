"""A kept stack continues at the same addresses, with the same shards, from positions that miss nothing."""

import json
import socket
import time
from copy import replace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from local import keep
from local.deployment.emulator import free_port
from local.errors import EmulatorFailed, PortInUse, SettleTimeout, StateMismatch
from local.keep import DEFAULT_PORT, Keeper, Kept
from local.pollers.source_poller import Statistics

POSITIONS = {"FanoutMapping": {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "7"}}


def write(path: Path, kept: Kept) -> None:
    path.write_bytes(kept.line() + b"\nand then the emulator's state \x80")


def test_the_first_run_has_a_fixed_port(tmp_path: Path) -> None:
    assert Kept.choose(tmp_path / "none", None, None) == Kept(DEFAULT_PORT, 1)
    assert Kept.choose(tmp_path / "none", 5000, 4) == Kept(5000, 4)


def test_a_later_run_continues_the_first(tmp_path: Path) -> None:
    first = Kept(5000, 4, 5001, POSITIONS)
    write(tmp_path / "state", first)
    assert Kept.choose(tmp_path / "state", None, None) == first
    assert Kept.choose(tmp_path / "state", 5000, 4) == first


@pytest.mark.parametrize(
    ("port", "shards", "expected"),
    [(5002, None, "has PORT=5000, not 5002: leave PORT out"), (None, 1, "has SHARDS=4, not 1: leave SHARDS out")],
)
def test_other_options_are_refused(tmp_path: Path, port: int | None, shards: int | None, expected: str) -> None:
    """Addresses in the state have the port; other shards would count redelivered changes twice."""
    write(tmp_path / "state", Kept(5000, 4))
    with pytest.raises(StateMismatch, match=f"{expected}, or remove .*state to start afresh"):
        Kept.choose(tmp_path / "state", port, shards)


def test_the_existing_table_stays_the_same(tmp_path: Path) -> None:
    """An attached stack is not detached because TABLE is left out, nor attached to another table."""
    path = tmp_path / "state"
    assert Kept.choose(path, None, None, "shop") == Kept(DEFAULT_PORT, 1, table="shop")
    write(path, Kept(5000, 4, table="shop"))
    assert Kept.choose(path, None, None).table == Kept.choose(path, None, None, "shop").table == "shop"
    with pytest.raises(StateMismatch, match="has TABLE=shop, not fleet: leave TABLE out, or remove .* to start afresh"):
        Kept.choose(path, None, None, "fleet")
    write(path, Kept(5000, 4))
    with pytest.raises(StateMismatch, match="has a table of its own and no TABLE, not fleet"):
        Kept.choose(path, None, None, "fleet")


@pytest.mark.parametrize("content", [b"", b"\x80", b"[]\n", b'{"port": 1}\n', b'{"ports": 1}\n'])
def test_a_damaged_state_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(StateMismatch, match="state cannot be read .*: remove it to start afresh"):
        Kept.choose(tmp_path / "state", None, None)


def test_the_dashboard_is_beside_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for free, expected in ((True, port + 1), (False, 0)):
        monkeypatch.setattr(keep, "is_free", lambda _, answer=free: answer)
        assert Kept(port, 1).free_port_beside() == expected
    assert [Kept(None, 1).free_port_beside(), Kept(65_535, 1).free_port_beside()] == [0, 0]


def test_a_port_that_an_outgoing_connection_holds_is_not_free() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        assert Kept(client.getsockname()[1] - 1, 1).free_port_beside() == 0


@pytest.mark.parametrize("place", ["port", "dashboard_port"])
def test_a_kept_port_in_use_says_what_can_be_done(place: str, tmp_path: Path) -> None:
    """Another PORT is refused, so it is not advised."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        kept = replace(Kept(free_port(), 1, positions=POSITIONS), **{place: taken})
        with pytest.raises(
            PortInUse, match=f"Port {taken} of the kept stack is in use: .*, or remove .* to start afresh"
        ):
            kept.require_ports(tmp_path / "state")
        replace(kept, positions={}).require_ports(tmp_path / "state")  # the first run tells which PORT to choose
    kept.require_ports(tmp_path / "state")


@dataclass
class Running:
    """A stack, its emulator and its pollers in one."""

    saved: list[Any] = field(default_factory=list)
    read: int = 0
    settles: bool = True
    gone: bool = False

    @property
    def emulator(self) -> Any:
        return self

    @property
    def pollers(self) -> Any:
        return self

    @property
    def statistics(self) -> list[Statistics]:
        return [Statistics("FanoutMapping", read=self.read)]

    @property
    def positions(self) -> dict[str, Any]:
        return POSITIONS

    def save(self, header: bytes) -> int:
        self.saved.append(json.loads(header))
        return 1

    def raise_if_gone(self) -> None:
        if self.gone:
            raise EmulatorFailed("it has exited")

    def wait_until_settled(self, timeout_s: float) -> None:
        if not self.settles:
            raise SettleTimeout(f"not in {timeout_s}")


def test_a_state_has_the_positions(tmp_path: Path) -> None:
    running = Running()
    Keeper(Kept(5000, 4, 5001), cast("Any", running)).save()
    assert running.saved == [{"port": 5000, "shards": 4, "dashboard_port": 5001, "positions": POSITIONS, "table": ""}]
    (tmp_path / "state").write_text(json.dumps(running.saved[0]) + "\n")
    assert Kept.read(tmp_path / "state") == Kept(5000, 4, 5001, POSITIONS)


def test_a_stack_is_saved_now_and_then_after_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    running = Running()
    keeper = Keeper(Kept(1, 1), cast("Any", running))
    keeper.save()
    for moment, read, expected in ((200.0, 0, 1), (201.0, 5, 2), (209.0, 6, 2), (211.0, 6, 3), (300.0, 6, 3)):
        now, running.read = moment, read
        keeper.look(pytest.fail)
        assert len(running.saved) == expected, moment


def test_a_large_state_is_saved_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    running = Running()
    keeper = Keeper(Kept(1, 1), cast("Any", running))

    def save_slowly(_: bytes) -> int:
        nonlocal now
        now += 2.0
        running.saved.append({})
        return 1

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(running, "save", save_slowly)
    keeper.save()
    for moment, expected in ((141.0, 1), (143.0, 2)):
        now, running.read = moment, int(moment)
        keeper.look(pytest.fail)
        assert len(running.saved) == expected


def test_a_state_that_cannot_be_saved_does_not_end_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may have space again."""
    now, told = 100.0, list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    running = Running()
    keeper = Keeper(Kept(1, 1), cast("Any", running))
    with monkeypatch.context() as patched:
        patched.setattr(running, "save", Mock(side_effect=EmulatorFailed("The disk is full.")))
        for now in (200.0, 201.0, 211.0):  # noqa: B007 - the clock
            keeper.look(told.append)
    assert told == ["The disk is full. The next attempt is in 10 s."] * 2
    now = 222.0
    keeper.look(told.append)
    assert (len(running.saved), len(told)) == (1, 2)
    running.gone, now, running.read = True, 300.0, 5
    monkeypatch.setattr(running, "save", Mock(side_effect=EmulatorFailed("no answer")))
    with pytest.raises(EmulatorFailed, match="exited"):
        keeper.look(told.append)


@pytest.mark.parametrize("settles", [True, False])
def test_the_last_state_waits_for_deliveries_but_not_for_ever(settles: bool) -> None:
    running = Running(settles=settles)
    Keeper(Kept(1, 1), cast("Any", running)).settle_and_save()
    assert len(running.saved) == 1


def test_a_second_interrupt_saves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Running, "wait_until_settled", interrupt)
    running = Running()
    with pytest.raises(KeyboardInterrupt):
        Keeper(Kept(1, 1), cast("Any", running)).settle_and_save()
    assert len(running.saved) == 1


def test_an_emulator_that_is_gone_says_so() -> None:
    from local.deployment.emulator import Emulator  # noqa: PLC0415 - only here

    gone = Emulator(cast("Any", None), free_port(), Path("the.log"))
    with pytest.raises(EmulatorFailed, match=r"The state could not be saved: .* \(see the.log\)"):
        gone.save(b"{}")
