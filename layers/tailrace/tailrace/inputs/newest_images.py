"""The newest image of each item that a process has seen, within bounds of number and size."""

from collections import OrderedDict


class NewestImages[Prepared]:
    """Keeps what was prepared of the newest image of each item; what was stored longest ago goes first."""

    def __init__(self, max_images: int, max_size: int) -> None:
        self._max_images = max_images
        self._max_size = max_size
        self._newest: OrderedDict[str, tuple[Prepared, int]] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> Prepared | None:
        """Return what was stored last for an item."""
        found = self._newest.get(key)
        return None if found is None else found[0]

    def put(self, key: str, prepared: Prepared, size: int) -> None:
        """Store what was prepared of an item's newest image; ``size`` is in the unit of the bound."""
        replaced = self._newest.pop(key, None)
        if replaced is not None:
            self._size -= replaced[1]
        self._newest[key] = prepared, size
        self._size += size
        while self._size > self._max_size or len(self._newest) > self._max_images:
            self._size -= self._newest.popitem(last=False)[1][1]
