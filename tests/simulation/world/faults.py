"""Fault injection: each call goes to the model or fails, as the current invocation's faults say."""

from collections.abc import Callable

from botocore.exceptions import ClientError, ReadTimeoutError
from msgspec import Struct, field

from local.in_memory.errors import client_error
from tailrace.encoding.json_types import Json
from tests.simulation.world.steps import Fault, Run, Step

type Call = Callable[[], Json]


class Crash(BaseException):
    """The function's process dies. Not an ``Exception``, so that the function cannot catch it."""


class Faults(Struct):
    """The faults of one invocation, and the number of calls so far."""

    run: Run
    calls: int = 0

    def next(self) -> Fault | None:
        """Return the fault of the next call, if any."""
        number, self.calls = self.calls, self.calls + 1
        for fault in self.run.faults:
            if fault.call <= number < fault.call + fault.times:
                return fault
        return None


class FaultInjector(Struct):
    """Sits between the functions and the model; holds the current invocation's faults and the delayed calls."""

    play: Callable[[Step], None]
    note: Callable[..., None]
    faults: Faults = field(default_factory=lambda: Faults(Run()))
    delayed_calls: list[Call] = field(default_factory=list)

    def send(self, operation: str, target: str, call: Call, part: Callable[[int], Json] | None = None) -> Json:
        """Make a call, or make it fail; ``part`` makes it without the entries set in a bit mask."""
        fault = self.faults.next()
        self.note("call", operation, target, None if fault is None else fault.kind)
        if fault is None:
            return call()
        return self._fail(fault, operation, call, part)

    def _fail(self, fault: Fault, operation: str, call: Call, part: Callable[[int], Json] | None) -> Json:
        match fault.kind:
            case "meanwhile":
                if fault.meanwhile is not None:
                    self.play(fault.meanwhile)
                return call()
            case "partly" if part is not None:
                return part(fault.which)
            case "throttled" | "partly":
                raise client_error(operation, "ThrottlingException")
            case "again":
                _try(call)
                return call()
            case "before":
                raise Crash
            case "delayed" | "adrift":
                self.delayed_calls.append(call)
            case _:
                _try(call)
        if fault.kind in ("after", "adrift"):
            raise Crash
        if fault.kind == "lost":
            raise client_error(operation, "InternalServerError", status=500)
        raise ReadTimeoutError(endpoint_url="https://localhost")

    def complete_delayed_call(self, which: int) -> None:
        """Complete one of the delayed calls; its response is lost."""
        if self.delayed_calls:
            self.note("arrives")
            _try(self.delayed_calls.pop(which % len(self.delayed_calls)))


def _try(call: Call) -> None:
    try:
        call()
    except ClientError:
        return  # the response is lost, whatever it was
