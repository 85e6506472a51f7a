"""Which table's items a stack's rows count: recorded when the rows begin, and compared at every deployment.

CloudFormation rolls a refused update back with an update of its own, which looks like a change the other way round. The
record tells the two apart.
"""

from collections.abc import Mapping
from typing import Any

from tailrace.aws.backfill.control import ControlTable, Counted
from tailrace.backfill.generations import distrusted
from tailrace.errors import InvalidMessage, Transient

ANOTHER_STREAM = "the stack reads another stream of the table, and what was written in between may be missing"


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
        for before_change in found.generations.values():
            after = distrusted(before_change, ANOTHER_STREAM)
            if after != before_change and not control.replace(before_change, after):
                raise Transient("a control row has changed meanwhile: deploy again")
        control.record_counted(wanted)


def _counted(properties: Mapping[str, Any]) -> Counted:
    return Counted(properties.get("AttachedTable") or "", properties.get("AttachedStream") or "")
