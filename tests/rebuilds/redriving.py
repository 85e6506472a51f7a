"""An operator who puts back the files that load gave up: Lambda calls it three times, and each call may be killed."""

import threading
from collections.abc import Callable
from typing import Any

_LOOK_EVERY_S = 2.0
_WAITING = "ApproximateNumberOfMessages"


class Redriving(threading.Thread):
    """Calls ``redrive`` whenever messages wait in a queue."""

    def __init__(self, sqs: Any, queue: str, redrive: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._sqs, self._queue, self._redrive = sqs, queue, redrive
        self._over = threading.Event()

    def run(self) -> None:
        """Look again and again, until :meth:`stop`."""
        while not self._over.wait(_LOOK_EVERY_S):
            found = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=[_WAITING])["Attributes"]
            if int(found[_WAITING]):
                self._redrive()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join()
