"""The logs of earlier emulators are removed, but never that of one that runs."""

from pathlib import Path

import pytest

from local.deployment import emulator
from local.deployment.emulator import MAX_LOGS, NO_FILES, Emulator


def test_the_log_of_an_emulator_that_runs_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "LOGS", tmp_path / "logs")
    command = tmp_path / "python"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o700)
    running = Emulator._launch(1, command, NO_FILES)
    try:
        renamed = running.log.rename(running.log.with_name("emulator-19990101-000000-1.log"))
        for year in range(2000, 2000 + 2 * MAX_LOGS):
            renamed.with_name(f"emulator-{year}0101-000000-1.log").touch()
        emulator._new_log(2)
        assert renamed.exists()
        assert len(list(renamed.parent.iterdir())) == MAX_LOGS
    finally:
        running.stop()
    emulator._new_log(2)
    assert not renamed.exists()
