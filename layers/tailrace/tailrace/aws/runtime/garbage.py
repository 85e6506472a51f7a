"""Python's search for cyclic garbage, in functions that get large batches."""

import gc

_THRESHOLD = 50_000


def collect_seldom() -> None:
    """Search less often than Python does by itself, and never what exists by now.

    A batch is a tree of some 100,000 objects without cycles. Searching it again and again, while it is being worked on,
    takes a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(_THRESHOLD)
