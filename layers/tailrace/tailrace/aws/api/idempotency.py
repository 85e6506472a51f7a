"""Idempotent requests: each is carried out once, however often it is sent, by Powertools' idempotency.

How it works: https://docs.powertools.aws.dev/lambda/python/latest/utilities/idempotency/; what the header means:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from botocore.exceptions import BotoCoreError, ClientError

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

REPLAYED = "Idempotency-Replayed"
"""The header of a response that is replayed from an earlier request."""


@dataclass(slots=True)
class Idempotency:
    """Stores responses by the caller's idempotency key."""

    client: "DynamoDBClient"
    table: str
    _store: "DynamoDBPersistenceLayer | None" = field(default=None, init=False)

    def once(
        self,
        key: tuple[str, str],
        payload: Mapping[str, Any],
        carry_out: Callable[[], Response[str]],
        time_left_ms: Callable[[], int],
    ) -> Response[str]:
        """Carry out a request, or return its stored response.

        Args:
            key: the caller, and the caller's key.
            payload: everything that identifies the request.
            carry_out: carries out the request. If it raises, nothing is stored, and a retry carries it out again.
            time_left_ms: the maximum time for which retries are blocked if this process dies.

        Raises:
            IdempotencyKeyInUse: the first request is still in progress.
            IdempotencyKeyReused: the key was used for a different request.
            Transient: the table cannot be read now.
        """
        # imported on demand: about 30 ms of CPU time that requests without a key do not need
        from aws_lambda_powertools.utilities.idempotency import exceptions, idempotent_function  # noqa: PLC0415

        fresh: list[Response[str]] = []

        def handled(*, request: Any) -> Any:  # noqa: ARG001 - Powertools reads it
            fresh.append(carry_out())
            return _compress(fresh[0])

        once = idempotent_function(
            handled,
            data_keyword_argument="request",
            persistence_store=self._persistence(),
            config=_config(time_left_ms),
            key_prefix="api",
        )
        try:
            kept = once(request={"key": list(key), "payload": dict(payload)})
        except exceptions.IdempotencyAlreadyInProgressError as error:
            raise IdempotencyKeyInUse("retry after the first request with this key has been answered") from error
        except exceptions.IdempotencyValidationError as error:
            raise IdempotencyKeyReused(
                "this key was used for another request: use a new one for each request"
            ) from error
        except exceptions.IdempotencyInconsistentStateError as error:
            raise Transient("the record of this key is being changed") from error
        except exceptions.IdempotencyPersistenceLayerError as error:
            return _response_despite(error, fresh)
        return fresh[0] if fresh else _decompress(kept)

    def _persistence(self) -> "DynamoDBPersistenceLayer":
        from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer  # noqa: PLC0415

        if self._store is None:
            self._store = DynamoDBPersistenceLayer(self.table, boto3_client=self.client)
        return self._store


def _config(time_left_ms: Callable[[], int]) -> "IdempotencyConfig":
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig  # noqa: PLC0415

    config = IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="payload",
        expires_after_seconds=RETENTION_S,
        hash_function="sha256",
    )
    context: Any = SimpleNamespace(get_remaining_time_in_millis=time_left_ms)
    config.register_lambda_context(context)
    return config


def _response_despite(error: Exception, fresh: list[Response[str]]) -> Response[str]:
    """Return the response of a request that was carried out but cannot be stored now; otherwise raise."""
    cause = error.__cause__
    if not isinstance(cause, ClientError | BotoCoreError):
        raise error
    failure = translate(cause)
    if not fresh or not isinstance(failure, Transient):
        raise failure from error
    logger().warning("the response is not stored for retries of its request", extra={"error": str(failure)})
    return fresh[0]


def _compress(answer: Response[str]) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress((answer.body or "").encode())).decode()
    body = {"body": packed} if len(packed) <= _MAX_PACKED_CHARACTERS else {}
    return {"status": answer.status_code, "headers": answer.headers} | body


def _decompress(kept: Mapping[str, Any]) -> Response[str]:
    headers = kept["headers"] | {REPLAYED: "true"}
    if "body" in kept:
        return Response(kept["status"], None, zlib.decompress(base64.b64decode(kept["body"])).decode(), headers)
    # too large to store: 204 with the entity tag
    return Response(204, None, "", {name: value for name, value in headers.items() if name != "Content-Type"})
