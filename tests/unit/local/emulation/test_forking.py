"""A forked function process is like one that was started by itself, but for the modules that it shares."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.emulation.forking import EXITED, LAYERS, MAX_SERVERS, ForkedProcess, fork_functions
from tests.unit.local.emulation.conftest import Run, Start, mounted

PROBE = """
import json, os, random, signal, site, sys, time
for folder in os.environ["_LAMBDA_LAYERS_DIRS"].split(os.pathsep):
    for packages in [os.path.join(folder, "python/lib/python3.13/site-packages")]:
        site.addsitedir(packages)
streams = [(s.fileno(), s.encoding, s.errors, s.line_buffering, s.mode) for s in (sys.stdin, sys.stdout, sys.stderr)]
here = {
    "environ": dict(os.environ), "cwd": os.getcwd(), "path": sys.path, "argv": sys.argv, "name": __name__,
    "file": __file__, "streams": streams, "zone": time.tzname, "group": os.getpgrp(), "parent": os.getppid(),
    "signals": {n: str(signal.getsignal(n)) for n in signal.valid_signals()},
    "files": sorted(set(os.listdir("/dev/fd"))), "main": sys.modules["__main__"].__name__,
}
print(json.dumps(here), flush=True)
print("a word to standard error \\udcff", file=sys.stderr)
line = sys.stdin.readline()
import atexit
atexit.register(print, "the end", flush=True)
print(json.dumps([line, random.random(), "decimal" in sys.modules]), flush=True)
"""


def test_a_fork_finds_what_a_process_of_its_own_finds(run: Run, tmp_path: Path) -> None:
    forked = run(PROBE, TZ="Asia/Tokyo", MINE="yes")
    alone = run(PROBE, TZ="Asia/Tokyo", MINE="yes", MALLOC_ARENA_MAX="2")
    assert isinstance(forked, ForkedProcess)
    assert isinstance(alone, subprocess.Popen)
    ours, theirs = (json.loads(process.stdout.readline()) for process in (forked, alone))
    servers_file = str(max(int(file) for file in ours["files"] if file not in theirs["files"]))
    ours["files"].remove(servers_file)
    for found in (ours, theirs):
        assert Path(found.pop("file")).parent == tmp_path
        assert len(found.pop("argv")) == 1
        del found["parent"]
        found["environ"].pop("MALLOC_ARENA_MAX", None)
    assert ours == theirs
    for process in (forked, alone):
        process.stdin.write("an event\n")
        process.stdin.flush()
    (line, number, shared), (other_line, other_number, _) = (
        json.loads(process.stdout.readline()) for process in (forked, alone)
    )
    assert line == other_line == "an event\n"
    assert number != other_number
    assert shared
    for process in (forked, alone):
        assert process.stdout.read() == "the end\n"
        assert process.stderr.read() == "a word to standard error \\udcff\n"
        assert process.wait(60) is not None


def test_nothing_is_forked_on_macos(layer: Path, tmp_path: Path) -> None:
    """System libraries crash in forks, for example when a process is named."""
    runtime: dict[str, Any] = {}
    fork_functions(runtime, forks=False)
    script = tmp_path / "worker.py"
    script.write_text(
        "import site, os, sys; site.addsitedir(os.environ['PACKAGES']); import tailrace; print(os.getpid())"
    )
    env = {**os.environ, LAYERS: str(layer), "PACKAGES": str(layer / "python/lib/python3.13/site-packages")}
    command = [sys.executable, str(script)]
    process = runtime["subprocess"].Popen(command, cwd=tmp_path, text=True, env=env, stdout=subprocess.PIPE)
    assert isinstance(process, subprocess.Popen)
    assert process.communicate()[0] == f"{process.pid}\n"


def test_forks_differ_in_random_numbers_and_show_their_script(run: Run, tmp_path: Path) -> None:
    script = "import os, random, subprocess, sys\nprint(random.random(), flush=True)\nsys.stdin.readline()"
    forks = [run(script), run(script)]
    assert len({fork.stdout.readline() for fork in forks}) == 2
    for fork in forks:
        shown = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(fork.pid)], capture_output=True, text=True, check=True
        )
        assert shown.stdout.startswith(f"{sys.executable} {tmp_path.parent}")
        assert fork.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            fork.wait(0.01)
        fork.stdin.close()
        assert fork.wait(60) == fork.poll() == EXITED


def test_a_module_that_cannot_be_imported_is_the_functions_error(run: Run) -> None:
    for package in ("tailrace", "tailrace.room"):
        of_engine = run(f"import os, site, sys\nfrom {package} import shared\nprint(shared.IMPORTED_BY, os.getpid())")
        imported_by, pid = of_engine.stdout.read().split()
        assert int(pid) == of_engine.pid != int(imported_by)
    broken = run("import os, sys\nimport tailrace\nfrom tailrace import broken")
    assert broken.stdout.read() == ""
    assert "it is broken" in broken.stderr.read()
    assert broken.wait(60) == EXITED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_fork_is_noticed_whatever_its_reason(
    run: Run, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = run("import time\nprint('here', flush=True)\ntime.sleep(60)")
    assert fork.stdout.readline() == "here\n"
    (fork.terminate if number == signal.SIGTERM else fork.kill)()
    assert fork.wait(60) == EXITED
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda *_: pytest.fail("the id may be another process's"))
        fork.terminate()
        fork.kill()
    assert fork.stdout.read() == ""


def test_a_fork_is_not_held_by_those_after_it(run: Run) -> None:
    first = run("import sys\nprint(sys.stdin.read())")
    second = run("import sys\nprint(sys.stdin.read())")
    first.stdin.close()
    assert first.stdout.read() == "\n"
    assert first.wait(60) == EXITED
    assert second.poll() is None
    second.stdin.close()
    assert second.wait(60) == EXITED


def test_a_fork_ends_although_a_program_that_it_started_runs_on(run: Run) -> None:
    fork = run(
        "import subprocess as s\n"
        "n = s.DEVNULL\n"
        "print(s.Popen(['sleep', '60'], stdin=n, stdout=n, stderr=n, close_fds=False).pid)"
    )
    program = int(fork.stdout.read())
    assert fork.wait(60) == EXITED
    os.kill(program, signal.SIGKILL)


def test_a_server_that_ended_is_replaced(run: Run) -> None:
    script = "import os\nprint(os.getppid(), flush=True)\ninput()"
    fork = run(script)
    server = int(fork.stdout.readline())
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    assert fork.poll() is None
    assert int(run(script).stdout.readline()) != server
    fork.stdin.close()
    assert fork.wait(60) == EXITED


def test_many_start_at_once(run: Run) -> None:
    with ThreadPoolExecutor(8) as threads:
        forks = list(threads.map(lambda n: run(f"import os\nprint({n}, os.getpid(), os.getppid())"), range(24)))
    found = [[int(word) for word in fork.stdout.read().split()] for fork in forks]
    server = found[0][2]
    assert found == [[n, fork.pid, server] for n, fork in enumerate(forks)]


def test_functions_with_other_layers_have_another_server(run: Run, layer: Path, tmp_path: Path) -> None:
    script = "import os, tailrace\nprint(os.getppid(), tailrace.__file__)"
    found = []
    for number in range(MAX_SERVERS + 1):
        engine = tmp_path / str(number) / "python" / "tailrace"
        engine.mkdir(parents=True)
        (engine / "__init__.py").write_text("")
        other = mounted(tmp_path / f"layer{number}", engine.parent)
        server, module = run(script, **{LAYERS: str(other)}).stdout.read().split()
        assert Path(module).is_relative_to(tmp_path / str(number))
        found.append(server)
    assert len(set(found)) == MAX_SERVERS + 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[0]), 0)
    assert run(script, **{LAYERS: str(other)}).stdout.read().split()[0] == server
    assert run(script, **{LAYERS: f"{layer}{os.pathsep}{other}"}).stdout.read().split()[0] not in found


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONPATH": "somewhere"}, {"LD_PRELOAD": ""}, {"POWERTOOLS_DEBUG": "1"}, {LAYERS: ""}, {LAYERS: "/nowhere"}],
    ids=str,
)
def test_a_function_that_needs_its_own_process_gets_one(run: Run, variables: dict[str, str]) -> None:
    process = run("print('here')", **variables)
    assert isinstance(process, subprocess.Popen)
    assert process.communicate() == ("here\n", "")


def test_a_function_with_a_layer_of_its_own_has_its_own_process(run: Run, layer: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert isinstance(run("print('here')", **{LAYERS: f"{layer}{os.pathsep}{tmp_path / 'own'}"}), subprocess.Popen)


def test_other_programs_are_started_as_ever(start: Start, layer: Path) -> None:
    with start(["sh", "-c", "echo here"], stdout=subprocess.PIPE, env={LAYERS: str(layer)}) as process:
        assert isinstance(process, subprocess.Popen)
        assert process.stdout is not None
        assert process.stdout.read() == b"here\n"
