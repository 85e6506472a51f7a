"""``python -m local.demo``, as `make demo` runs it."""

import sys

from local.demo.run import main

if __name__ == "__main__":
    sys.exit(main())
