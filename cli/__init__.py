"""The ``tailrace`` command, which works with a deployed stack from your machine. Never shipped to Lambda."""

import signal
import sys

# Python calls itself so while it looks for the module that -m names: https://docs.python.org/3/using/cmdline.html#cmdoption-m
if sys.argv[:1] == ["-m"]:
    # Ctrl-C ends the command without a traceback also while its modules are imported, until main() handles signals.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
