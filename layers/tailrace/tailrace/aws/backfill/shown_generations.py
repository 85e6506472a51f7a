"""What readers see, read from the control rows at most once a second."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tailrace.aws.backfill.control import CONTROL, Control, parse_control
from tailrace.aws.backfill.job_status import JobStatusReader
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.recency import is_recent
from tailrace.backfill.fingerprints.lock import meanings
from tailrace.backfill.generations import GenerationId, State
from tailrace.backfill.readers import ReadersView
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import encode_value
from tailrace.errors import DefinitionError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CACHE_TTL = timedelta(seconds=1)


class ShownGenerations(Struct):
    """The control rows together with the definition, cached for a second.

    Readers may thus see a generation for a second after the pointer has moved to another one.
    """

    client: "DynamoDBClient"
    table: str
    pipeline: Pipeline
    clock: Callable[[], datetime]
    _cached: ReadersView | None = None
    _cached_at: datetime | None = None
    _meanings: Mapping[GenerationId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with suppress(DefinitionError):  # without sources, nothing is fed either
            self._meanings = meanings(self.pipeline)  # now: functions may change what they refer to, such as a cache

    def view(self) -> ReadersView:
        """Return what readers see now.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        now = self.clock()
        if self._cached is None or self._cached_at is None or not is_recent(self._cached_at, now, _CACHE_TTL):
            control = self._control()
            builds = any(one.state is State.BUILDING for one in control.generations.values())
            jobs = JobStatusReader(self.client, self.table).newest() if builds else ()
            facts = control.generations, control.pointers, control.exists, jobs, self._meanings
            self._cached = ReadersView(self.pipeline, *facts)
            self._cached_at = now
        return self._cached

    def _control(self) -> Control:
        # a query like that of rows: the readers' role needs no other permission
        with map_aws_errors():
            response = self.client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :control",
                ExpressionAttributeValues={":control": encode_value(CONTROL)},
                ConsistentRead=True,
            )
        return parse_control(next(iter(response["Items"]), {}))
