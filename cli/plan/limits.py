"""AWS' limits that a stack can meet, each with its page. Default quotas of us-east-1; looked up on 2026-11-27."""

from msgspec import Struct

_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"

MAX_BATCH = 10_000
"""Changes in a batch of a stream: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-params.html"""

MAX_PAYLOAD_BYTES = 6_000_000
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

NEW_TABLE_SHARDS = 4
"""A new on-demand table sustains 4,000 write units a second, on partitions of 1,000, each with a shard:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""

PARTITION_UNITS = 1_000
"""Write units a second of a partition, and thus of an item:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

MAX_WINDOW_S = 300
"""https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-params.html"""


MAX_WRITE_BEHIND_S = 900
"""The longest tumbling window: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html"""


class Limit(Struct, frozen=True):
    """A limit: what it holds for, its value, what helps if it is met, and where it is documented."""

    name: str
    value: float
    unit: str
    remedy: str
    source: str


ITEM = Limit(
    "one item", PARTITION_UNITS, "write units/s", "other keys of items", f"{_DYNAMODB}/bp-partition-key-design.html"
)
ROW = Limit(
    "one row", PARTITION_UNITS, "write units/s", "lanes, or finer groups", f"{_DYNAMODB}/bp-partition-key-design.html"
)
KEY = Limit(
    "one partition key of rows",
    PARTITION_UNITS,
    "write units/s",
    "DynamoDB, which splits it by sort key",
    f"{_DYNAMODB}/bp-partition-key-design.html",
)
ROW_BYTES = Limit("size of a row", 400 * 1024, "bytes", "lanes, or finer groups", f"{_DYNAMODB}/Constraints.html")
ITEMS_TABLE = Limit("items table", 40_000, "write units/s", "a quota", f"{_DYNAMODB}/ServiceQuotas.html")
ROWS_TABLE = Limit("aggregates table", 40_000, "write units/s", "a quota", f"{_DYNAMODB}/ServiceQuotas.html")
READS_TABLE = Limit(
    "reads of the aggregates table", 40_000, "read units/s", "a quota", f"{_DYNAMODB}/ServiceQuotas.html"
)
AGGREGATE_TIME = Limit(
    "aggregate on one shard",
    1,
    "of its time",
    "more shards",
    "https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html",
)
FANOUT_TIME = Limit(
    "fanout on one shard", 1, "of its time", "more shards", "https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"
)
CONCURRENCY = Limit(
    "concurrency of the account",
    1_000,
    "invocations",
    "a quota",
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
)
ARCHIVE = Limit("concurrency of archive", 100, "invocations", "the parameter QueueConcurrency", "docs/operating.md")
IN_FLIGHT = Limit(
    "messages in flight, archive queue",
    120_000,
    "messages",
    "a quota",
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
)
OBJECTS = Limit(
    "writes to one prefix of the archive",
    3_500,
    "PUT/s",
    "S3, which splits it",
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html",
)
