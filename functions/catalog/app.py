"""catalog: from new objects in the archive bucket to rows of the catalog table."""

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
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    throughput = for_process(settings.progress_table, "catalog", lambda: datetime.now(UTC))
    cataloguer = Cataloguer(client("s3"), client("dynamodb"), settings.archive_bucket, settings.catalog_table)
    return count_objects(cataloguer, throughput)


def handler(event: dict[str, Any], _context: object) -> None:
    """Catalog the objects of an S3 notification."""
    stage(CatalogSettings.parse(os.environ))(event)
