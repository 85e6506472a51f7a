"""A client that writes over HTTP while calls fail."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.deployment.emulator import REGION
from tests.chaos.clients.flights import COLLECTION, flight
from tests.chaos.clients.ledger import becomes, merged
from tests.chaos.clients.writer import ATTEMPTS, PAUSE_S, Writer

API_TIMEOUT_S = 35.0
"""Longer than the API's function may run, so that a request without an answer has ended."""

_SERVER_ERROR, _TOO_MANY, _CONFLICT = 500, 429, 409


def signed(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a signed request."""
    request = AWSRequest(method, url, dict(headers), body)
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
    return dict(request.headers.items())


class ApiWriter(Writer):
    """Writes over HTTP: whole items, patches, deletions and batches, with and without conditions."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.http = urllib3.PoolManager(maxsize=4, retries=False, timeout=API_TIMEOUT_S)

    def run(self) -> None:
        """Write items that nobody else writes."""
        chosen = ["put", "put", "put", "patch", "patch", "delete", "batch", "create", "create", "replace", "replace"]
        for number, operation in enumerate(["put", *self.rng.sample(chosen, len(chosen))]):
            item = self.names.item_id("api", self.rng.randrange(4))
            match operation:
                case "put":
                    self._put(item, number)
                case "patch":
                    self._patch(item)
                case "delete":
                    self._changed("DELETE", item, None, becomes(None))
                case "batch":
                    self._batch(number)
                case "create":
                    self._create(self.names.item_id("made", number))
                case "replace":
                    self._replace(item)

    def _put(self, item: str, number: int) -> None:
        value = flight(self.names, self.rng, growing=False)
        key = {"Idempotency-Key": f"{item}-{number}"} if self.rng.random() < 0.5 else {}
        self._changed("PUT", item, value, becomes(value), key)

    def _patch(self, item: str) -> None:
        states = self.ledger.may_be(item)
        patch = {"distance": self.rng.randint(0, 3000)}
        status = self._changed("PATCH", item, patch, merged(patch))
        if status == 404 and None not in states:
            self.ledger.fault(f"{item}: 404 to a patch, but it exists")

    def _create(self, item: str) -> None:
        """Create a new item on condition that it does not exist: nobody else creates it."""
        value = flight(self.names, self.rng, growing=False)
        status = self._changed("PUT", item, value, becomes(value), {"If-None-Match": "*"})
        if status == 412:
            self.ledger.fault(f"{item}: 412 to its only creation")

    def _replace(self, item: str) -> None:
        """Replace an item on condition that it is as it was read: nobody else writes it."""
        found = self._until_answered("GET", item)
        if found is None or found.status != 200:
            return
        value = flight(self.names, self.rng, growing=False)
        status = self._changed("PUT", item, value, becomes(value), {"If-Match": found.headers["ETag"]})
        if status == 412:
            self.ledger.fault(f"{item}: 412 to the replacement of what was read, and nobody else writes it")

    def _batch(self, number: int) -> None:
        items = {
            self.names.item_id(f"many{number}", place): flight(self.names, self.rng, growing=False)
            for place in range(5)
        }
        body = {"items": [{"id": item, "item": value} for item, value in items.items()]}
        answer = self._request("POST", f"collections/{COLLECTION}/items", body)
        if answer is None or answer.status != 207:
            statuses = dict.fromkeys(items, 503)
        else:
            statuses = {result["id"]: result["status"] for result in answer.json()["results"]}
        for item, value in items.items():
            self._note(item, statuses[item], becomes(value))

    def _changed(
        self, method: str, item: str, body: Any, change: Any, headers: Mapping[str, str] | None = None
    ) -> int | None:
        answer = self._request(method, self._path(item), body, headers)
        return self._note(item, None if answer is None else answer.status, change)

    def _note(self, item: str, status: int | None, change: Any) -> int | None:
        if status is not None and status < 300:
            self.ledger.note([item], change, known=True)
        elif status is None or status >= _SERVER_ERROR or status == _CONFLICT:
            self.ledger.note([item], change, known=False)
            time.sleep(PAUSE_S)
        else:
            self.ledger.refused += 1
        return status

    def _until_answered(self, method: str, item: str) -> urllib3.BaseHTTPResponse | None:
        for _ in range(ATTEMPTS):
            answer = self._request(method, self._path(item), None)
            if answer is not None and answer.status < _SERVER_ERROR and answer.status != _TOO_MANY:
                return answer
        return None

    def _path(self, item: str) -> str:
        return f"collections/{COLLECTION}/items/{quote(item, safe='')}"

    def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse | None:
        """Return an answer, None without one."""
        url = f"{self.chaos.api('client')}/{path}"
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        given = {"Content-Type": kind, **(headers or {})}
        content = None if body is None else json.dumps(body).encode()
        try:
            return self.http.request(method, url, body=content, headers=signed(method, url, content, given))
        except urllib3.exceptions.HTTPError:
            return None
