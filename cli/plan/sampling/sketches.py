"""Counts of different keys in bounded memory."""

from heapq import heappush, heapreplace
from zlib import crc32

_KEPT = 2_048
_HASHES = 1 << 32
_MIN_SEEN = 10


class DistinctCounter:
    """Estimates how many different keys were added, within about two percent, from their smallest hash values.

    K minimum values: Bar-Yossef et al., 2002, https://doi.org/10.1007/3-540-45726-7_1. Exact up to 2,048 keys, unless
    two of them have the same hash.
    """

    def __init__(self) -> None:
        self._heap: list[int] = []  # negative: the largest of the smallest first
        self._kept: set[int] = set()

    def add(self, key: str) -> None:
        """Add a key."""
        found = crc32(key.encode(errors="surrogatepass")) * 2_654_435_761 % _HASHES  # CRCs of similar keys are similar
        if found in self._kept:
            return
        if len(self._heap) < _KEPT:
            heappush(self._heap, -found)
        elif found < -self._heap[0]:
            self._kept.remove(-heapreplace(self._heap, -found))
        else:
            return
        self._kept.add(found)

    def count(self) -> float:
        """Return the estimate."""
        if len(self._heap) < _KEPT:
            return len(self._heap)
        return (_KEPT - 1) * _HASHES / -self._heap[0]


class Growth:
    """Measures whether new keys keep coming."""

    def __init__(self) -> None:
        self._keys = DistinctCounter()
        self._added = 0
        self._points: list[tuple[int, float]] = []

    def add(self, key: str) -> None:
        """Add a key."""
        self._keys.add(key)
        self._added += 1
        if not self._added & (self._added - 1):  # a power of two
            self._points.append((self._added, self._keys.count()))

    def rate(self) -> float:
        """Return how often a key of the second half is new, against the mean of all: 1 if equally often, 0 if never.

        Keys that were seen less than ten times each do not show that no new ones come, even if none came at the end.
        """
        before = [point for point in self._points if point[0] * 2 <= self._added]
        if not before:
            return 1
        added, different = before[-1]
        total = self._keys.count()
        least = total / self._added if self._added < _MIN_SEEN * total else 0
        return min(1, max(least, (total - different) / (self._added - added) * self._added / total))
