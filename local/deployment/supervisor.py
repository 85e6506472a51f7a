"""Run a command that must not outlive its parent process.

    python -S supervisor.py SCRATCH COMMAND [ARGUMENT ...]

The parent starts this script in a new session and holds the write end of the pipe that is its stdin, without ever
writing to it. When the parent ends for any reason, even kill -9, the pipe closes, and the script kills the whole
process group: the command and all processes that it has started. The folder SCRATCH is always removed.

Uses only the standard library and features that Linux and macOS share. The parent's side is in
`local.deployment.processes`.
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
    # Handlers, not SIG_IGN: the command would inherit SIG_IGN and ignore these signals too.
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
    os.killpg(0, signal.SIGKILL)  # remaining processes, including this one


if __name__ == "__main__":
    sys.exit(main())
