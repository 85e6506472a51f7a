"""A table as the AWS CLI describes it, and how a test writes it down."""

import json
from pathlib import Path
from typing import Any

from local.existing_table import BOTH_IMAGES

KEYS: dict[str, Any] = {
    "TableName": "shop",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "kind")],
    "KeySchema": [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
}
INDEX = {
    "IndexName": "kinds",
    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
DESCRIBED: dict[str, dict[str, Any]] = {
    "Table": KEYS
    | {
        "TableStatus": "ACTIVE",
        "TableArn": "arn:aws:dynamodb:eu-west-1:111122223333:table/shop",
        "ItemCount": 9,
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5, "NumberOfDecreasesToday": 0},
        "GlobalSecondaryIndexes": [INDEX | {"IndexStatus": "ACTIVE", "ItemCount": 9}],
        "LocalSecondaryIndexes": [],
        "StreamSpecification": BOTH_IMAGES,
        "LatestStreamLabel": "2024-05-01T10:00:00.000",
    }
}


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
