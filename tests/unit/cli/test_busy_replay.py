"""`tailrace replay`, while the route's queue does not accept every event."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import replay as module
from cli.__main__ import main
from cli.errors import CommandError
from tests.unit.cli.replay_world import World, change, sequences


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("tailrace.aws.runtime.queues.random.uniform", lambda _least, _most: 0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_event_that_is_not_accepted_is_sent_again(world: World) -> None:
    world.archive([change(1, "a"), change(2, "a")])
    world.sqs.refuses_sends = 8
    assert world.run() == 2
    assert sequences(world) == [1, 2]
    world.sqs.refuses_sends = 10**6
    with pytest.raises(CommandError, match="does not accept events now: repeat the command"):
        world.run()


def test_what_was_sent_is_counted_even_if_the_queue_then_accepts_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.archive([change(number, "a") for number in range(1, 4)])
    send, sent = world.sqs.send_message, []

    def accept_two(**request: Any) -> Any:
        sent.append(request)
        world.sqs.refuses_sends = 10**6 if len(sent) == 2 else 0
        return send(**request)

    monkeypatch.setattr(world.sqs, "send_message", accept_two)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "stack_of", lambda _options: SimpleNamespace(state_folder=tmp_path))
    monkeypatch.setattr(module, "route_names", lambda _stack: ["even"])
    monkeypatch.setattr(module, "_replay", lambda _stack, route: world.replay(route=route))
    ask = ["replay", "even", "--from", "2026-11-25", "--to", "2026-11-26", "--stack", "s"]
    assert main(ask) == 1
    assert sequences(world) == [1, 2]
    assert "2 events sent to even\n" in capsys.readouterr().out


def test_the_last_attempt_may_succeed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.archive([change(1, "a")])
    calls: list[int] = []
    fanout = module.Replay._invoke

    def busy(self: module.Replay, request: Mapping[str, Any]) -> Any:
        if request["events"] and not request.get("check"):
            calls.append(1)
            world.sqs.refuses_sends = 0 if len(calls) == 1 + module._MAX_ATTEMPTS else 10**6
        return fanout(self, request)

    monkeypatch.setattr(module.Replay, "_invoke", busy)
    assert world.run() == 1
    assert sequences(world) == [1]
