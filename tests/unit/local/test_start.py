"""A start of the local stack that does not succeed ends what it has started."""

from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from local import stack
from local.deployment import deploy
from local.deployment.emulator import Emulator
from local.errors import EmulatorFailed


class Process:
    """One that has exited."""

    def poll(self) -> int:
        return 1

    def stop(self) -> None:
        pass


class Pollers:
    """They cannot start a function."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.stopped = False

    def warm_up(self, _notified: list[str]) -> None:
        raise self.error

    def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), EmulatorFailed),
    ],
)
def test_the_pollers_of_functions_that_do_not_start_are_stopped(
    error: BaseException, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an emulator that has exited meanwhile is told as the cause."""
    pollers = Pollers(error)
    emulator = Emulator(Process(), 1, Path("emulator.log"))  # type: ignore[arg-type]
    monkeypatch.setattr(Emulator, "start", lambda *_, **_options: emulator)
    monkeypatch.setattr(deploy, "deploy", lambda *_: {})
    for name, result in {
        "build": Path(),
        "resources": {"LoadFunction": "", "CatalogFunction": ""},
        "Pollers": pollers,
    }.items():
        monkeypatch.setattr(stack, name, lambda *_, result=result, **_options: result)
    with pytest.raises(raised), stack.running_stack():
        pass
    assert pollers.stopped
