"""catalog: an object appears in the archive, and its row in the catalog table."""

import os
from functools import cache
from typing import Any

from tailrace.aws.cataloguing import Cataloguer
from tailrace.aws.clients import client
from tailrace.aws.settings import CatalogSettings


@cache
def stage(settings: CatalogSettings) -> Cataloguer:
    """Put the stage together; once for each environment, since Lambda calls the handler many times."""
    return Cataloguer(client("s3"), client("dynamodb"), settings.archive_bucket, settings.catalog_table)


def handler(event: dict[str, Any], _context: object) -> None:
    """Enter the objects that a notification of the bucket names."""
    stage(CatalogSettings.parse(os.environ))(event)
