"""A call that the emulator does not answer, or cannot get, is one sentence, which names the cause."""

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.deployment.emulator import Emulator
from local.deployment.processes import require_loopback
from local.errors import EmulatorFailed


class Process:
    """One that ends after it was looked at a few times, or never."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def poll(self) -> int | None:
        self.looks -= 1
        return None if self.looks else -9


@pytest.mark.parametrize(
    ("looks", "said"), [(1, "exited unexpectedly"), (3, "exited unexpectedly"), (-1, "A call to the emulator failed: ")]
)
def test_a_failed_call_is_explained(looks: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.deployment.emulator.EXIT_WAIT_S", 0.5)
    emulator = Emulator(Process(looks), 4566, Path("emulator.log"))  # type: ignore[arg-type]
    with pytest.raises(EmulatorFailed, match=said), emulator.reporting():
        raise EndpointConnectionError(endpoint_url=emulator.endpoint)


def test_a_machine_without_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """With IPv6 only, the start of the stack ended in a traceback."""

    def refuse(address: Any) -> Any:
        raise OSError(errno.EADDRNOTAVAIL, f"not assigned (while attempting to bind on address {address})")

    require_loopback()
    monkeypatch.setattr(socket, "create_server", refuse)
    reason = os.strerror(errno.EADDRNOTAVAIL)
    with pytest.raises(EmulatorFailed, match=rf"^The loopback address 127\.0\.0\.1 cannot be used: {reason}\.$"):
        require_loopback()


def test_an_address_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interface is down. It took 40 seconds to say that the emulator does not respond."""

    def wait(*_: object) -> Any:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", wait)
    with pytest.raises(EmulatorFailed, match=r"cannot be used: timed out\.$"):
        require_loopback()
