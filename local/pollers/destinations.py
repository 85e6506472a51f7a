"""Failure destinations: where a stream's mapping sends discarded records."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deployment.mappings import EventSourceMapping
from local.mapping import DiscardedRecords, invocation_record, object_key
from local.pollers.emulator_client import CallFailed
from local.pollers.events import payload

RECORD_CONTENT_TYPE = "application/octet-stream"
"""Recorded: supplemental_runs[0] of
https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json"""


class FailureDestination:
    """A bucket, queue or topic by its ARN. Without one, discarded records are lost (services-dynamodb-errors)."""

    def __init__(self, mapping: EventSourceMapping, arn: str | None, client: Callable[[str], Any]) -> None:
        """`client` returns a boto3 client for a service."""
        self._mapping = mapping
        self._service, self._name = (arn.split(":")[2], arn.rsplit(":", 1)[-1]) if arn else ("", "")
        self._arn = arn
        self._client = client

    def send(self, discarded: DiscardedRecords[bytes], now: float) -> None:
        """Send the invocation record. Raises CallFailed."""
        try:
            self._send(discarded, now)
        except ClientError as error:
            raise CallFailed(error.response["Error"]["Code"], f"{self._arn}: {error}") from error
        except BotoCoreError as error:
            raise CallFailed("unreachable", f"{self._arn}: {error}") from error

    def _send(self, discarded: DiscardedRecords[bytes], now: float) -> None:
        match self._service:
            case "s3":
                event = payload((record.content for record in discarded.records), discarded.fields).decode()
                key = object_key(self._mapping.uuid, discarded.shard_id, now=now, random_uuid=str(uuid.uuid4()))
                body = self._record(discarded, now, event)
                self._client("s3").put_object(
                    Bucket=self._name, Key=key, Body=body.encode(), ContentType=RECORD_CONTENT_TYPE
                )
            case "sqs":
                sqs = self._client("sqs")
                url = sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody=self._record(discarded, now))
            case "sns":
                sns = self._client("sns")
                sns.publish(TopicArn=self._arn, Message=self._record(discarded, now))

    def _record(self, discarded: DiscardedRecords[bytes], now: float, event: str | None = None) -> str:
        record = invocation_record(
            discarded,
            function_arn=self._mapping.function_arn,
            request_id=str(uuid.uuid4()),
            now=now,
            payload=event,
        )
        return json.dumps(record, ensure_ascii=False)
