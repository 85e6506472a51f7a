"""The archive stage: batches of events become objects by collection and hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.archives import Event, Folder, Reference, archive_object, read_batch
from tailrace.aws.clients import translate
from tailrace.aws.objects import put_all
from tailrace.aws.telemetry import count_metrics, logger
from tailrace.errors import InvalidMessage, Permanent, TailraceError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Groups = dict[Folder, list[tuple[str, Event]]]


@dataclass(frozen=True, slots=True)
class Archiver:
    """Writes what the archive's queue brings.

    Attributes:
        s3: an S3 client.
        archive_bucket: where the objects go.
        failures_bucket: where the data of events lie that no message could hold.
    """

    s3: "S3Client"
    archive_bucket: str
    failures_bucket: str

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Archive a batch of messages and answer with those that have to come again.

        A message comes again when one of its events could not be stored, or when it cannot be read: the queue puts what
        keeps coming aside. All others are done, and what they hold is in the bucket.

        Raises:
            Permanent: the bucket refuses for good; the whole batch comes again. Or the event is not one of a queue.
        """
        groups: Groups = {}
        failed: dict[str, None] = {}
        unreadable = 0
        for message, body in _messages(event):
            try:
                events = self._events(body)
            except TailraceError as error:
                unreadable += isinstance(error, Permanent)
                failed[message] = None
                logger().error("message not archived", extra={"message_id": message, "error": str(error)})
            else:
                for one in events:
                    groups.setdefault(one.folder, []).append((message, one))
        # an object whose messages fail anyway is written nevertheless: what comes again then writes the same once more
        failed |= dict.fromkeys(self._store(groups))
        count_metrics(
            EventsReceived=sum(len(members) for members in groups.values()),
            ObjectsWritten=len(groups),
            MessagesUnreadable=unreadable,
            MessagesFailed=len(failed),
        )
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _events(self, body: str) -> list[Event]:
        return [one if isinstance(one, Event) else one.resolve(self._fetch(one)) for one in read_batch(body)]

    def _fetch(self, reference: Reference) -> bytes:
        if reference.bucket != self.failures_bucket:
            raise InvalidMessage("a dataref into a bucket that is not this stack's")
        try:
            return self.s3.get_object(Bucket=reference.bucket, Key=reference.key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise translate(error) from error

    def _store(self, groups: Groups) -> list[str]:
        """Write an object for each group; return the messages whose events are not all stored."""
        members = list(groups.values())
        objects = [archive_object(folder, [event for _, event in found]) for folder, found in groups.items()]
        unstored = put_all(self.s3, self.archive_bucket, objects)
        if unstored:
            logger().warning("objects not written, their messages come again", extra={"objects": len(unstored)})
        return [message for position in unstored for message, _ in members[position]]


def _messages(event: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    try:
        return [(record["messageId"], record["body"]) for record in event["Records"]]
    except (KeyError, TypeError) as error:
        raise InvalidMessage("not an event of a queue: it has no list of Records with messageId and body") from error
