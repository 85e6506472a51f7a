"""Idempotent requests: each is carried out once, however often it is sent, by Powertools' idempotency.

How it works: https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/; what the header means:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.runtime.errors import translate
from tailrace.aws.runtime.telemetry import logger
from tailrace.errors import Transient
from tailrace.http.problems import IdempotencyKeyInUse, IdempotencyKeyReused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
    from mypy_boto3_dynamodb import DynamoDBClient

RETENTION_S = 24 * 3600
"""How long a response is stored for retries of its request."""

# An item of the table holds 400 KB. A response holds one item, so it nearly always fits when compressed.
_MAX_PACKED_CHARACTERS = 350_000

REPLAYED_HEADER = "Idempotency-Replayed"
"""The header of a response that is replayed from an earlier request."""


class _Outcome(Struct):
    """What came of an operation, if it was carried out: its response, or the error that it raised."""

    operation: Callable[[], Response[str]]
    response: Response[str] | None = None
    error: Exception | None = None

    def compute(self) -> Response[str]:
        """Carry out the operation."""
        try:
            self.response = self.operation()
        except Exception as error:
            self.error = error
            raise
        return self.response

    def response_despite(self, error: Exception) -> Response[str]:
        """Return the response, or raise the operation's error, although its record cannot be written or removed now.

        Until the record expires, retries of the request find it in progress. If the operation was not carried out, or
        the table rejects the record, this raises the table's error.
        """
        cause = error.__cause__
        if not isinstance(cause, ClientError | BotoCoreError | Transient):
            raise error
        failure = cause if isinstance(cause, Transient) else translate(cause)
        if not isinstance(failure, Transient):
            raise failure from error
        text = {"error": str(failure)}
        if self.error is not None:
            logger().warning("the record of a request that failed is not removed", extra=text)
            raise self.error
        if self.response is None:
            raise failure from error
        logger().warning("the response is not stored for retries of its request", extra=text)
        return self.response


class Idempotency(Struct):
    """Stores responses by the caller's idempotency key."""

    client: "DynamoDBClient"
    table: str
    _store: "DynamoDBPersistenceLayer | None" = None

    def run_once(
        self,
        key: tuple[str, str],
        payload: Mapping[str, Any],
        operation: Callable[[], Response[str]],
        remaining_time_ms: Callable[[], int],
    ) -> Response[str]:
        """Carry out a request, or return its stored response.

        Args:
            key: the caller, and the caller's key.
            payload: everything that identifies the request.
            operation: carries out the request. If it raises, nothing is stored, and a retry carries it out again.
            remaining_time_ms: the maximum time for which retries are blocked if this process dies.

        Raises:
            IdempotencyKeyInUse: the first request is still in progress.
            IdempotencyKeyReused: the key was used for a different request.
            Transient: the table cannot be read now.
        """
        # imported on demand: about 30 ms of CPU time that requests without a key do not need
        from aws_lambda_powertools.utilities.idempotency import exceptions, idempotent_function  # noqa: PLC0415

        outcome = _Outcome(operation)

        def handled(*, request: Any) -> Any:  # noqa: ARG001 - Powertools reads it
            return _compress(outcome.compute())

        run_once = idempotent_function(
            handled,
            data_keyword_argument="request",
            persistence_store=self._persistence(),
            config=_config(remaining_time_ms),
            key_prefix="api",
        )
        try:
            stored = run_once(request={"key": list(key), "payload": dict(payload)})
        except exceptions.IdempotencyAlreadyInProgressError as error:
            raise IdempotencyKeyInUse("retry after the first request with this key has ended") from error
        except exceptions.IdempotencyValidationError as error:
            raise IdempotencyKeyReused(
                "this key was used for another request: use a new one for each request"
            ) from error
        except exceptions.IdempotencyInconsistentStateError as error:
            raise Transient("the record of this key is being changed") from error
        except exceptions.IdempotencyPersistenceLayerError as error:
            return outcome.response_despite(error)
        return _decompress(stored) if outcome.response is None else outcome.response

    def _persistence(self) -> "DynamoDBPersistenceLayer":
        from tailrace.aws.api.idempotency_table import IdempotencyTable  # noqa: PLC0415 - as above

        if self._store is None:
            self._store = IdempotencyTable(self.table, boto3_client=self.client)
        return self._store


def _config(remaining_time_ms: Callable[[], int]) -> "IdempotencyConfig":
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig  # noqa: PLC0415

    config = IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="payload",
        expires_after_seconds=RETENTION_S,
        hash_function="sha256",
    )
    context: Any = SimpleNamespace(get_remaining_time_in_millis=remaining_time_ms)
    config.register_lambda_context(context)
    return config


def _compress(response: Response[str]) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress((response.body or "").encode())).decode()
    body = {"body": packed} if len(packed) <= _MAX_PACKED_CHARACTERS else {}
    return {"status": response.status_code, "headers": response.headers} | body


def _decompress(stored: Mapping[str, Any]) -> Response[str]:
    headers = stored["headers"] | {REPLAYED_HEADER: "true"}
    if "body" in stored:
        return Response(stored["status"], None, zlib.decompress(base64.b64decode(stored["body"])).decode(), headers)
    # too large to store: 204 with the entity tag
    return Response(204, None, "", {name: value for name, value in headers.items() if name != "Content-Type"})
