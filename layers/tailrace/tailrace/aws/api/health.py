"""How the stages are doing."""

from collections.abc import Callable

from tailrace.aws.api.responses import ApiResponse, json_response
from tailrace.aws.monitoring.health import HealthMonitor
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidMessage
from tailrace.http.requests import Event, query_parameters


class HealthRoutes:
    """Answers how the stages are doing."""

    def __init__(self, health: HealthMonitor, event: Callable[[], Event], remaining_ms: Callable[[], int]) -> None:
        self._health = health
        self._event = event
        self._remaining_ms = remaining_ms

    def health(self) -> ApiResponse:
        """Return what waits, what failed, and how far behind the stream's readers are."""
        if query_parameters(self._event()):
            raise InvalidMessage("this route takes no parameters")
        return json_response(200, dumps(self._health.document(self._remaining_ms)), {"Cache-Control": "no-store"})
