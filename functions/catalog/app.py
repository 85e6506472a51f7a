"""catalog: an object appears in the archive, and its row in the catalog table."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4

from tailrace.aws.cataloguing import Cataloguer
from tailrace.aws.clients import client, hasty_client
from tailrace.aws.settings import CatalogSettings
from tailrace.aws.throughput import Throughput, counting_objects


@cache
def stage(settings: CatalogSettings) -> Callable[..., None]:
    """Put the stage together; once for each environment, since Lambda calls the handler many times."""
    told = Throughput(hasty_client(), settings.progress_table, "catalog", uuid4().hex, lambda: datetime.now(UTC))
    entering = Cataloguer(client("s3"), client("dynamodb"), settings.archive_bucket, settings.catalog_table)
    return counting_objects(entering, told)


def handler(event: dict[str, Any], _context: object) -> None:
    """Enter the objects that a notification of the bucket names."""
    stage(CatalogSettings.parse(os.environ))(event)
