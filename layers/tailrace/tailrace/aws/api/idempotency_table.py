"""The table of idempotency keys. It is imported on demand, because Powertools' idempotency takes long to import."""

from typing import Any

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyItemAlreadyExistsError
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import STATUS_CONSTANTS, DataRecord
from botocore.exceptions import ClientError


class IdempotencyTable(DynamoDBPersistenceLayer):
    """Powertools' table, which also recognizes a record that this request has made.

    If the acknowledgement of the record is lost, the SDK repeats the call and finds the record of its own first
    attempt. Without this, the request would not be carried out, and be told that another one is in progress.
    """

    def _put_record(self, data_record: DataRecord) -> None:
        try:
            super()._put_record(data_record)
        except IdempotencyItemAlreadyExistsError as error:
            if not _is_repeated(error.__cause__) or not _is_same(data_record, error.old_data_record):
                raise


def _is_repeated(cause: Any) -> bool:
    is_answer = isinstance(cause, ClientError)
    return is_answer and bool(cause.response.get("ResponseMetadata", {}).get("RetryAttempts"))


def _is_same(made: DataRecord, found: DataRecord | None) -> bool:
    """Compare by the time at which the request must have ended, in milliseconds."""
    return (
        found is not None
        and found.status == STATUS_CONSTANTS["INPROGRESS"]
        and made.in_progress_expiry_timestamp is not None
        and found.in_progress_expiry_timestamp == made.in_progress_expiry_timestamp
        and found.payload_hash == made.payload_hash
    )
