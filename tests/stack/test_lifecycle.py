"""A stack leaves nothing behind, however it ends, and leftovers do not stop the next one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer
from urllib.parse import urlsplit

import pytest
import urllib3

from local.deployment.emulator import ROOT, Emulator, free_port, is_listening
from local.endpoint_file import ENDPOINT_FILE, read_endpoint_file
from local.errors import DeployFailed, EmulatorFailed, PortInUse, SetupMissing
from local.stack import running_stack
from pipeline.definition import pipeline

UP_SECONDS = 180.0
GONE_SECONDS = 60.0


def held_stack(port: int) -> subprocess.Popen[str]:
    """Start a stack in its own process."""
    command = [sys.executable, "-m", "local.run_stack", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_until_up(process)
    except BaseException:
        end(process)
        raise
    return process


def wait_until_up(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = []
    too_late = Timer(UP_SECONDS, process.kill)
    too_late.start()
    try:
        for line in process.stderr:
            said.append(line)
            if "is up" in line:
                return
    finally:
        too_late.cancel()
    raise AssertionError(f"the stack did not come up: {said}")


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def parents() -> dict[int, int]:
    """Return every process's parent, from `ps`, which works on Linux and macOS."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {int(child): int(parent) for child, parent in (line.split() for line in table.splitlines())}


def children(pid: int) -> list[int]:
    return [child for child, parent in parents().items() if parent == pid]


def descendants(pid: int) -> set[int]:
    table = parents()
    found = {pid}
    while more := {child for child, parent in table.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    """Return the running processes, without zombies."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    running = {int(pid) for pid, state in (line.split() for line in table.splitlines()) if not state.startswith("Z")}
    return pids & running


def assert_gone(pids: set[int], port: int) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(pids) == set()
    assert not is_listening(port)


@pytest.fixture(scope="module")
def unchanged() -> Iterator[list[subprocess.Popen[str]]]:
    """Hold a stack that a test has only looked at, for the next one."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        end(process)


@pytest.fixture
def held(unchanged: list[subprocess.Popen[str]]) -> Iterator[subprocess.Popen[str]]:
    process = unchanged.pop() if unchanged else held_stack(free_port())
    try:
        yield process
    finally:
        if process not in unchanged:
            end(process)


@pytest.fixture
def port(held: subprocess.Popen[str]) -> int:
    assert isinstance(held.args, list)
    return int(held.args[-1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_stack_leaves_nothing_behind(held: subprocess.Popen[str], port: int, number: signal.Signals) -> None:
    """Nor does what is left of a killed one keep another from starting on its port."""
    started = descendants(held.pid)
    assert len(started) >= 2  # the supervisor and the emulator
    scratch = scratch_folders(started)
    assert scratch
    assert all(folder.exists() for folder in scratch)
    page = urlsplit(dashboard()).port or 0
    assert is_listening(page)
    held.send_signal(number)
    # Ctrl-C is the regular way to stop it
    assert held.wait(GONE_SECONDS) == (-number if number == signal.SIGKILL else 0)
    assert_gone(started, port)
    assert not is_listening(page)
    assert [folder for folder in scratch if folder.exists()] == []
    assert read_endpoint_file() is None  # a killed stack leaves the file, but its process is gone
    emulator = Emulator.start(port)
    try:
        assert emulator.alive()
    finally:
        emulator.stop()


def scratch_folders(pids: set[int]) -> list[Path]:
    table = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    mine = [line.split()[1:] for line in table.splitlines() if int(line.split()[0]) in pids]
    return [
        Path(words[words.index(program) + 1])
        for words in mine
        for program in words
        if program.endswith("supervisor.py")
    ]


def dashboard() -> str:
    """Return the address of the running stack's dashboard."""
    about = read_endpoint_file()
    assert about is not None
    return str(about["dashboard"])


def test_a_running_stack_announces_its_addresses_and_serves_its_dashboard(
    held: subprocess.Popen[str], port: int, unchanged: list[subprocess.Popen[str]]
) -> None:
    """The page, and the API through the signing proxy; on loopback only."""
    about = read_endpoint_file()
    assert about is not None
    assert about["pid"] == held.pid
    assert about["endpoint"] == f"http://127.0.0.1:{port}"
    assert json.loads(ENDPOINT_FILE.read_text()) == about
    address = dashboard()
    assert address.startswith("http://127.0.0.1:")
    assert urllib3.request("GET", address).data.startswith(b"<!doctype html>")
    config = urllib3.request("GET", f"{address}config.json").json()
    document = {"api": "./api", "refresh_s": 1, "title": "tailrace", "auth": None, "reference": "./reference.html"}
    assert config == document
    aggregates = urllib3.request("GET", f"{address}api/aggregates").json()["aggregates"]
    assert {aggregate.name for aggregate in pipeline.aggregates} == {aggregate["name"] for aggregate in aggregates}
    rows = urllib3.request("GET", f"{address}api/aggregates/carrier_hours/rows?carrier=UA")
    assert (rows.status, rows.json()["rows"]) == (200, [])
    assert urllib3.request("PUT", f"{address}api/collections/flights/items/1", body=b"{}").status == 405
    unchanged.append(held)


def test_a_stack_whose_emulator_is_killed_reports_it_and_exits(held: subprocess.Popen[str]) -> None:
    (supervisor,) = children(held.pid)
    (emulator,) = children(supervisor)
    os.kill(emulator, signal.SIGKILL)
    _, said = held.communicate(timeout=GONE_SECONDS)
    assert held.returncode == 1
    assert "The emulator exited unexpectedly" in said


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {taken} is in use"):
            Emulator.start(taken)


def test_of_two_emulators_on_one_port_one_is_refused_even_if_they_start_at_the_same_moment() -> None:
    """Before, both seemed to be up, and the second stack was deployed to the first one's emulator."""
    port, outcomes = free_port(), list[object]()

    def start() -> None:
        try:
            outcomes.append(Emulator.start(port))
        except PortInUse as refused:
            outcomes.append(str(refused))

    threads = [Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (running,) = (one for one in outcomes if isinstance(one, Emulator))
    try:
        assert f"Port {port} is in use by another program: choose another with PORT=." in outcomes
        assert running.alive()
    finally:
        running.stop()


def test_a_missing_emulator_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupMissing, match="make setup"):
        Emulator.start(python=tmp_path / "bin" / "python")


def test_an_emulator_that_does_not_start_is_one_clear_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho it will not do >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(EmulatorFailed, match="it will not do"):
        Emulator.start(python=broken)


def test_a_failed_deployment_is_one_clear_sentence() -> None:
    with pytest.raises(DeployFailed, match="LogLevel"), running_stack(parameters={"LogLevel": "LOUD"}):
        pass


def test_two_emulators_are_independent() -> None:
    first, second = Emulator.start(), Emulator.start()
    try:
        assert first.port != second.port
        for emulator in (first, second):
            assert is_listening(emulator.port)
    finally:
        first.stop()
        second.stop()
    assert not is_listening(first.port)
    assert not is_listening(second.port)
    first.stop()  # stopping twice is harmless
