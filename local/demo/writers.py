"""The stack's entrances as other systems use them: the plain SDK and plain HTTP, call by call."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import urllib3
from boto3.dynamodb.types import TypeSerializer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local.deployment.emulator import REGION
from local.errors import LocalError
from local.stack import Stack

_MAX_ATTEMPTS = 10
_FIRST_BACKOFF_S, _MAX_BACKOFF_S = 0.05, 1.0

type Json = dict[str, Any]


class FeedError(LocalError):
    """The stack rejected valid input or did not respond; the message is one sentence for the user."""


def _pause(attempt: int) -> None:
    time.sleep(min(_FIRST_BACKOFF_S * 2**attempt, _MAX_BACKOFF_S))


class StackWriter:
    """Writes into one stack; safe to share between threads."""

    def __init__(self, stack: Stack) -> None:
        self._outputs = stack.outputs
        self._api_url = stack.api_url
        # created here, since the stack's dict of clients is not thread-safe
        self._dynamodb, self._s3, self._sqs = (stack.client(service) for service in ("dynamodb", "s3", "sqs"))
        self._http = urllib3.PoolManager(maxsize=8, retries=False, timeout=60)
        self._serialize = TypeSerializer().serialize

    def upload(self, name: str, body: bytes) -> None:
        """Upload a file to the inbox."""
        self._s3.put_object(Bucket=self._outputs["ArchiveBucket"], Key=f"inbox/{name}", Body=body)

    def receipt(self, name: str) -> Json | None:
        """Return the receipt of an inbox file, or None if it has none yet."""
        try:
            response = self._s3.get_object(Bucket=self._outputs["ArchiveBucket"], Key=f"receipts/{name}.json")
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        receipt: Json = json.loads(response["Body"].read())
        return receipt

    def write_items(self, collection: str, items: Mapping[str, Json]) -> None:
        """Write up to 25 items to the table.

        Raises:
            FeedError: items were still unprocessed after all attempts.
        """
        table = self._outputs["ItemsTable"]
        puts = []
        for item_id, item in items.items():
            image = {name: self._serialize(value) for name, value in item.items()}
            puts.append({"PutRequest": {"Item": {"pk": {"S": f"{collection}#{item_id}"}, **image}}})
        for attempt in range(_MAX_ATTEMPTS):
            response = self._dynamodb.batch_write_item(RequestItems={table: puts})
            puts = response.get("UnprocessedItems", {}).get(table, [])
            if not puts:
                return
            _pause(attempt)
        raise FeedError(f"The table left {len(puts)} items unprocessed after {_MAX_ATTEMPTS} attempts.")

    def send_messages(self, messages: Mapping[str, Mapping[str, Any]]) -> None:
        """Send up to 10 messages, given by item id, to the intake queue.

        Raises:
            FeedError: messages were still failing after all attempts.
        """
        entries = []
        for number, message in enumerate(messages.values()):
            body = json.dumps(message)
            group = f"{message['collection']}#{message['id']}"
            deduplication_id = hashlib.sha256(body.encode()).hexdigest()
            entries.append(
                {
                    "Id": str(number),
                    "MessageBody": body,
                    "MessageGroupId": group,
                    "MessageDeduplicationId": deduplication_id,
                }
            )
        for attempt in range(_MAX_ATTEMPTS):
            response = self._sqs.send_message_batch(QueueUrl=self._outputs["IntakeQueue"], Entries=entries)
            failed = {entry["Id"] for entry in response.get("Failed", [])}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
            _pause(attempt)
        raise FeedError(f"The intake queue rejected {len(entries)} messages after {_MAX_ATTEMPTS} attempts.")

    def request(self, collection: str, item_id: str, item: Json, patch: Json | None) -> int:
        """PUT or PATCH an item through the API; return the HTTP status, which is below 500.

        Raises:
            FeedError: the API was unreachable or failed at every attempt.
        """
        method, body = ("PUT", item) if patch is None else ("PATCH", patch)
        url = f"{self._api_url}/collections/{quote(collection, safe='')}/items/{quote(item_id, safe='')}"
        last_error = ""
        for attempt in range(_MAX_ATTEMPTS):
            try:
                response = self._http.request(
                    method, url, body=json.dumps(body), headers=self._signed_headers(method, url, body)
                )
            except urllib3.exceptions.HTTPError as error:
                last_error = str(error)
            else:
                if response.status < 500 and response.status != 429:  # noqa: PLR2004 - HTTP: server errors, too many requests
                    return int(response.status)
                last_error = f"status {response.status}"
            _pause(attempt)
        raise FeedError(f"The API failed {_MAX_ATTEMPTS} times for {method} {item_id}: {last_error}.")

    def _signed_headers(self, method: str, url: str, body: Json) -> dict[str, str]:
        request = AWSRequest(method, url, {"Content-Type": "application/json"}, json.dumps(body))
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)  # the emulator's credentials
        return dict(request.headers.items())
