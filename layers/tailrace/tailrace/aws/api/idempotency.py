"""Requests that are carried out once, however often they come: by Powertools' idempotency, in a table of its own.

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
"""How long an answer is kept for repeats of its request."""

# A row of the table holds 400 KB. An answer is an item, so packed it nearly always has room.
_MAX_PACKED_CHARACTERS = 350_000

REPLAYED = "Idempotency-Replayed"
"""The header that says that an answer is one from before."""


@dataclass(slots=True)
class Idempotency:
    """Keeps answers by the key that the caller has given."""

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
        """Carry a request out, or return the answer that it got before.

        Args:
            key: the caller, and the key that the caller has given.
            payload: all that makes the request what it is.
            carry_out: what to do the first time. Where it raises, nothing is kept, and a repeat tries anew.
            time_left_ms: for how long a repeat has to wait at most, should this process die.

        Raises:
            IdempotencyKeyInUse: the first request is under way.
            IdempotencyKeyReused: the first request was another one.
            Transient: the table cannot be asked now.
        """
        # some 30 ms of processor time that a request without a key does not pay
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
            raise IdempotencyKeyInUse("ask again when the first request with this key has been answered") from error
        except exceptions.IdempotencyValidationError as error:
            raise IdempotencyKeyReused(
                "this key came with another request before: take a new one for each request"
            ) from error
        except exceptions.IdempotencyInconsistentStateError as error:
            raise Transient("the record of this key is changing") from error
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
    """Return the answer of a request that was carried out, though it cannot be kept now; else raise our error."""
    cause = error.__cause__
    if not isinstance(cause, ClientError | BotoCoreError):
        raise error
    failure = translate(cause)
    if not fresh or not isinstance(failure, Transient):
        raise failure from error
    logger().warning("the answer is not kept for repeats of its request", extra={"error": str(failure)})
    return fresh[0]


def _compress(answer: Response[str]) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress((answer.body or "").encode())).decode()
    body = {"body": packed} if len(packed) <= _MAX_PACKED_CHARACTERS else {}
    return {"status": answer.status_code, "headers": answer.headers} | body


def _decompress(kept: Mapping[str, Any]) -> Response[str]:
    headers = kept["headers"] | {REPLAYED: "true"}
    if "body" in kept:
        return Response(kept["status"], None, zlib.decompress(base64.b64decode(kept["body"])).decode(), headers)
    # too large to be kept: what was done, and the tag of what came of it
    return Response(204, None, "", {name: value for name, value in headers.items() if name != "Content-Type"})
