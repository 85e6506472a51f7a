"""The first control rows of a stack, written by CloudFormation when it creates them, before the stream is read.

A stack whose tables are empty has never counted anything, so its generations are exact from the stream's beginning. In
a stack that is older than control rows, nothing is known about the rows that it has: its generations are adopted. A
table that is not the stack's own has a past that its stream has forgotten: its generations wait for a rebuild.

Which table's items the rows count is recorded then, and compared at every deployment. CloudFormation rolls a refused
update back with an update of its own, which looks like a change the other way round; the record tells the two apart.

A stack that finds control rows when it is created has the tables of a deleted one. Changes in between may be missing,
since the stream keeps them for a day; so nothing is known to be exact until it is verified.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tailrace.aws.backfill.control import ControlTable, Counted
from tailrace.aws.backfill.feeder import distrust_one, fingerprints
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.backfill.generations import adopted, created, declared
from tailrace.errors import InvalidMessage, Transient

if TYPE_CHECKING:
    from collections.abc import Sequence

ANOTHER_STREAM = "the stack reads another stream of the table, and what was written in between may be missing"
ANOTHER_STACK = "the stack was deleted and created again, and what was written in between may be missing"


def write_first_control_rows(
    context: JobContext, tables: "Sequence[str]", *, is_attached: bool = False, stack: str = ""
) -> str:
    """Write the control rows if there are none, and return what was done; ``tables`` must be empty in a new stack.

    ``stack`` is the id of the stack.

    Raises:
        Transient: a table cannot be used now.
        Permanent: a table rejects the request.
        DefinitionError: the source of a function of the definition cannot be read.
    """
    if context.control.read().exists:
        return "kept"
    is_new = not is_attached and not any(_has_items(context, table) for table in tables)
    make = declared if is_attached else created if is_new else adopted
    # what expired before the stream's oldest record was never there for this stack
    since_creation = is_new or is_attached
    rows = [make(name, version, meaning) for (name, version), meaning in fingerprints(context.pipeline).items()]
    if context.control.create(rows, since_creation=since_creation, stack=stack) and not is_new:
        context.progress.accept_counts()
    return make.__name__


def _has_items(context: JobContext, table: str) -> bool:
    with map_aws_errors():
        return bool(context.dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True)["Items"])


def see_stack(context: JobContext, event: Mapping[str, Any]) -> None:
    """Mark the rows of a stack that was deleted before this one was created as not known to be exact.

    Images of expired items may be missing, since TTL also deletes items without a stack. CloudFormation may send a
    request twice, so the id of the stack tells whether the control rows are its own.

    Raises:
        Transient: a control row has changed meanwhile, or the table cannot be used now.
    """
    found, stack = context.control.read(), event["StackId"]
    if found.stack == stack:
        return
    if event["RequestType"] == "Create":
        _distrust_all(context.control, ANOTHER_STACK)
        context.control.record_unkept(found.collections | context.pipeline.collections_by_name.keys(), context.now)
    context.control.record_stack(stack)


def see_attachment(control: ControlTable, event: Mapping[str, Any]) -> None:
    """Refuse another table than the one that the rows count. Another stream of it leaves no row known to be exact.

    Raises:
        InvalidMessage: the stack would read another table.
        Transient: a control row has changed meanwhile, or the table cannot be used now.
    """
    wanted = _counted(event["ResourceProperties"])
    found = control.read()
    if found.counted is None:
        before = _counted(event["OldResourceProperties"]) if event["RequestType"] == "Update" else wanted
        same = wanted if before.table == wanted.table and not before.stream else before
        control.record_counted(same)
        found = control.read()
    counted = found.counted or wanted
    if counted.table != wanted.table:
        counts = f"the items of {counted.table}" if counted.table else "the items of its own table"
        kept = f"ItemsTableName={counted.table}" if counted.table else "ItemsTableName and ItemsStreamArn empty"
        raise InvalidMessage(
            f"this stack counts {counts}, and its rows would be wrong for {wanted.table or 'a table of its own'}: "
            f"deploy a stack of another name, or leave {kept}"
        )
    if counted.stream != wanted.stream:
        _distrust_all(control, ANOTHER_STREAM)
        control.record_counted(wanted)


def _distrust_all(control: ControlTable, reason: str) -> None:
    for generation in control.read().generations.values():
        if not distrust_one(control, generation, reason):
            raise Transient("a control row has changed meanwhile: deploy again")


def _counted(properties: Mapping[str, Any]) -> Counted:
    return Counted(properties.get("AttachedTable") or "", properties.get("AttachedStream") or "")
