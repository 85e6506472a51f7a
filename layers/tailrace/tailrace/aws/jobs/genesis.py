"""The first control rows of a stack, written by CloudFormation when it creates them, before the stream is read.

A stack whose tables are empty has never counted anything, so its generations are exact from the stream's beginning. In
a stack that is older than control rows, nothing is known of the rows that it has: its generations are adopted. A table
that is not the stack's own has a past that its stream has forgotten: its generations wait for a rebuild.
"""

from typing import TYPE_CHECKING

from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.jobs.workshop import Workshop
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.backfill.generations import adopted, created, declared

if TYPE_CHECKING:
    from collections.abc import Sequence


def write_first_control_rows(shop: Workshop, tables: "Sequence[str]", *, is_attached: bool = False) -> str:
    """Write the control rows if there are none, and return what was done; ``tables`` must be empty in a new stack.

    Raises:
        Transient: a table cannot be used now.
        Permanent: a table rejects the request.
        DefinitionError: the source of a function of the definition cannot be read.
    """
    if shop.control.read().exists:
        return "kept"
    is_new = not is_attached and not any(_has_items(shop, table) for table in tables)
    make = declared if is_attached else created if is_new else adopted
    rows = [make(name, version, meaning) for (name, version), meaning in fingerprints(shop.pipeline).items()]
    if shop.control.create(rows, since_creation=is_new) and not is_new:
        shop.progress.accept_counts()
    return make.__name__


def _has_items(shop: Workshop, table: str) -> bool:
    with map_aws_errors():
        return bool(shop.dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True)["Items"])
