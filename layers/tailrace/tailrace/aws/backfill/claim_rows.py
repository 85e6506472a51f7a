"""What jobs claim of the stream, one row for each boundary and shard: see :mod:`tailrace.backfill.claims`.

A row's keys are ``~claim#<boundary>`` and the shard's id; ``through`` is what was dealt with in the shard at the time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from tailrace.aggregation.marks import decode_sequence, encode_sequence
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.pages import partition_rows
from tailrace.encoding.dynamodb import decode_item, encode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CLAIMS = "~claim#"
"""The beginning of the partition key of a boundary's claims."""

_RETENTION = timedelta(days=8)  # the stream keeps its records for a day


class ClaimRows(Struct, frozen=True):
    """Reads and writes claims.

    Raises (each method):
        Transient: the table cannot be used now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str

    def write(self, boundary: str, throughs: Mapping[str, int], now: datetime) -> None:
        """Store what was dealt with in each shard; a later claim for the same boundary replaces an earlier one."""
        expires_at = int((now + _RETENTION).timestamp())
        for shard, number in throughs.items():
            row = {"pk": f"{CLAIMS}{boundary}", "sk": shard, "through": encode_sequence(number)}
            with map_aws_errors():
                self.client.put_item(TableName=self.table, Item=encode_item(row | {"expires_at": expires_at}))

    def throughs(self, boundary: str) -> dict[str, int]:
        """Return what was dealt with in each shard when a boundary's claim was made, strongly consistent."""
        rows = partition_rows(self.client, self.table, f"{CLAIMS}{boundary}")
        return {row["sk"]: decode_sequence(row["through"]) for row in map(decode_item, rows)}
