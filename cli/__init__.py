"""The ``tailrace`` command: tests and plans a definition, and operates a deployed stack. Never shipped to Lambda."""

import signal
import sys

# argv[0] is -m while Python looks for the module that -m names: https://docs.python.org/3/using/cmdline.html#cmdoption-m
if sys.argv[:1] == ["-m"]:
    # Ctrl-C ends the command without a traceback, even while its modules are imported, until main() handles signals.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
