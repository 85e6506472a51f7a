"""Jobs on a running local stack: rebuilds and verifications, by the history function, as on AWS."""

import json
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from local.errors import LocalError

_POLL_S = 0.25

type Json = dict[str, Any]


class JobFailed(LocalError):
    """A rebuild or verification did not finish."""


class LocalHistory(Struct, frozen=True):
    """Runs jobs on a stack.

    Attributes:
        client: a Lambda client of the emulator.
        function: the history function's name.
        check: raises if the stack is broken; called while a job runs.
        show: is called with each phase of a job.
    """

    client: Any
    function: str
    check: Callable[[], None]
    show: Callable[[str], None] = lambda _phase: None

    def verify(self) -> Json:
        """Compare all rows with the items, and return the job as it ended. Raises JobFailed."""
        return self._finish(self._invoke(task="start", kind="verify"))

    def rebuild(self) -> list[str]:
        """Build what is not live, and return the generations that were built. Raises JobFailed."""
        started = self._invoke(task="start", kind="build")
        return list(self._finish(started)["targets"]) if started["job"] else []

    def _finish(self, started: Json) -> Json:
        if not started["job"]:
            raise JobFailed("No aggregate is live.")
        phase = ""
        while True:
            found = self._invoke(task="job", job=started["job"])
            if found["state"] == "failed":
                raise JobFailed(f"{found['job']} failed: {found['reason']}")
            if found["state"] == "done":
                return found
            if found["phase"] != phase:
                phase = found["phase"]
                self.show(phase)
            self.check()
            time.sleep(_POLL_S)

    def _invoke(self, **task: Any) -> Json:
        answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(task))
        body: Json = json.loads(answer["Payload"].read())
        problem = body.get("error") or ("FunctionError" in answer and body.get("errorMessage"))
        if problem:
            raise JobFailed(f"The history function failed: {problem}")
        return body
