"""Run a command that must not outlive the process that asked for it.

    python -S leash.py SCRATCH COMMAND [ARGUMENT ...]

The parent starts this in a session of its own and holds the write end of the pipe that is our stdin. It never
writes. When the parent is gone, however it went (kill -9 included), the pipe ends, and the whole process group
is killed: the command and everything that it has started. SCRATCH, a folder, is removed in every case.

Only the standard library, and only what Linux and macOS both have. See `local.deployment.processes` for the other end.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

GRACE_PERIOD_S = 2.0


def main() -> int:
    """Run the command and return its exit status."""
    scratch, *command = sys.argv[1:]
    # Handlers, not SIG_IGN: the command would inherit that, and could then not be asked to stop.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_follow_parent, args=(child, scratch), daemon=True).start()
    status = child.wait()
    shutil.rmtree(scratch, ignore_errors=True)
    return status if status >= 0 else 128 - status


def _follow_parent(child: subprocess.Popen[bytes], scratch: str) -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    try:
        child.wait(GRACE_PERIOD_S)
    except subprocess.TimeoutExpired:
        child.kill()
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)  # whatever did not listen; this process too


if __name__ == "__main__":
    sys.exit(main())
