"""catalog: an object appears in the archive, and its row in the catalog table."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.monitoring.throughput import count_objects, for_process
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.settings import CatalogSettings
from tailrace.aws.stages.catalog import Cataloguer


@cache
def stage(settings: CatalogSettings) -> Callable[..., None]:
    """Put the stage together; once for each environment, since Lambda calls the handler many times."""
    throughput = for_process(settings.progress_table, "catalog", lambda: datetime.now(UTC))
    cataloguer = Cataloguer(client("s3"), client("dynamodb"), settings.archive_bucket, settings.catalog_table)
    return count_objects(cataloguer, throughput)


def handler(event: dict[str, Any], _context: object) -> None:
    """Enter the objects that a notification of the bucket names."""
    stage(CatalogSettings.parse(os.environ))(event)
