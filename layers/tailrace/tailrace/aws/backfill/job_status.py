"""The rows of jobs in the aggregates table: the progress of each build and verification.

Their partition key is ``~jobs``, and their sort key the job's id, which begins with the time at which the job began.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.backfill.job_progress import JobStatus, job_from_row
from tailrace.encoding.dynamodb import decode_item, encode_value

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

JOBS = "~jobs"
"""The partition key of the jobs' rows."""

_MOST = 20


class JobStatusReader(Struct, frozen=True):
    """Reads the rows of jobs."""

    client: "DynamoDBClient"
    table: str

    def newest(self, limit: int = _MOST) -> list[JobStatus]:
        """Return the newest jobs, the newest first.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        with map_aws_errors():
            response = self.client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :jobs",
                ExpressionAttributeValues={":jobs": encode_value(JOBS)},
                ScanIndexForward=False,
                Limit=limit,
                ConsistentRead=True,
            )
        return [job_from_row(decode_item(row)) for row in response["Items"]]
