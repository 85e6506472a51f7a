"""A call that the emulator does not answer is one sentence, which names the cause."""

from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from local.deployment.emulator import Emulator
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
