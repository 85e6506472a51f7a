"""Local tooling: the emulated stack, the source pollers and the demo. Never shipped to Lambda."""

import signal
import sys

# argv[0] is -m while Python looks for the module that -m names: https://docs.python.org/3/using/cmdline.html#cmdoption-m
if sys.argv[:1] == ["-m"] and not {"local.demo", "local.run_stack"}.isdisjoint(sys.orig_argv):
    # Ctrl-C ends both without a traceback, even while their modules are imported, until main() handles signals.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
