"""Whether a stack can be attached to an existing table: all that is wrong, each as one sentence with what to do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tailrace.attachment.facts import Described, Finding, Wanted
from tailrace.attachment.item_checks import check_indexes, check_key, check_ttl
from tailrace.attachment.stream_checks import check_stream
from tailrace.definition.pipeline import Pipeline

_OPTIONAL = {
    "dynamodb:DescribeTimeToLive": "the TTL attribute",
    "kms:DescribeKey": "whether you manage the table's key",
}
"""Permissions that a stack can do without, and what is not checked without them."""


def check_table(pipeline: Pipeline, wanted: Wanted, described: Described) -> list[Finding]:
    """Return what keeps a stack from reading a table, then what to know about it."""
    found = [*_check_rights(wanted, described), *_check_status(wanted, described), *check_stream(wanted, described)]
    if described.table is not None:
        found += check_key(pipeline, wanted, described.table)
        found += check_ttl(pipeline, wanted, described)
        found += _check_encryption(wanted, described)
        found += check_indexes(pipeline, wanted, described.table)
        found += _check_replicas(wanted, described.table)
    return sorted(found, key=lambda finding: not finding.is_error)


def lacks_rights(described: Described) -> bool:
    """Tell whether something that a stack needs was denied, so some facts are unknown."""
    return any(one.action not in _OPTIONAL for one in described.denied)


def in_one_text(findings: Sequence[Finding], max_bytes: int, rest: str) -> str:
    """Return sentences that fit; if some do not, ``rest`` says where they are all shown.

    A sentence that is too long by itself is cut.
    """
    texts = [finding.text for finding in findings]
    for count in range(len(texts), 0, -1):
        text = " ".join([*texts[:count], *([] if count == len(texts) else [f"{len(texts) - count} more: {rest}"])])
        if len(text.encode(errors="replace")) <= max_bytes:
            return text
    ending = f" … {rest}"
    room = max_bytes - len(ending.encode())
    return texts[0].encode(errors="replace")[:room].decode(errors="ignore") + ending


def _check_rights(wanted: Wanted, described: Described) -> Iterator[Finding]:
    for action, resource in described.denied:
        problem, remedy = f"{wanted.actor.lacks} {action} on {resource}", wanted.actor.remedy
        if action in _OPTIONAL:
            yield Finding(f"{problem}, so {_OPTIONAL[action]} was not checked: {remedy}.", is_error=False)
        elif action == "dynamodb:Scan" and (key := described.key_arn):
            way = f"deploy with ItemsTableKeyArn={key} if you manage that key, otherwise " * (wanted.key_arn == "")
            yield Finding(f"{problem}, or kms:Decrypt on {key}, which encrypts the table: {way}{remedy}.")
        else:
            yield Finding(f"{problem}: {remedy}.")


def _check_status(wanted: Wanted, described: Described) -> Iterator[Finding]:
    table = described.table
    if table is None:
        if not described.is_denied("dynamodb:DescribeTable"):
            yield Finding(
                f"There is no table {wanted.table!r} in {wanted.where}: correct its name, or deploy where it is."
            )
        return
    status = table.get("TableStatus", "ACTIVE")
    if status == "INACCESSIBLE_ENCRYPTION_CREDENTIALS" or (table.get("SSEDescription") or {}).get(
        "InaccessibleEncryptionDateTime"
    ):
        yield Finding(
            f"DynamoDB cannot use the key {described.key_arn} of table {wanted.table!r}: enable the key, and let "
            "DynamoDB use it again."
        )
    elif status == "UPDATING":
        yield Finding(f"Table {wanted.table!r} is being updated; it can be read meanwhile.", is_error=False)
    elif status in ("CREATING", "DELETING", "ARCHIVING", "ARCHIVED"):
        remedy = "wait until it is ACTIVE" if status == "CREATING" else "restore it, or name another table"
        yield Finding(f"Table {wanted.table!r} is {status}: {remedy}.")
    elif status != "ACTIVE":
        yield Finding(f"Table {wanted.table!r} is {status}, not ACTIVE: wait until it is.")


def _check_encryption(wanted: Wanted, described: Described) -> Iterator[Finding]:
    key, given = described.key_arn, wanted.key_arn
    if given is None:
        return
    if key is None and given:
        yield Finding(
            f"ItemsTableKeyArn names a key, but table {wanted.table!r} is encrypted with a key that AWS owns: leave "
            "ItemsTableKeyArn empty.",
            is_error=False,
        )
    elif key is not None and given and given != key:
        yield Finding(
            f"Table {wanted.table!r} is encrypted with {key}, and ItemsTableKeyArn names another key: set it to {key}."
        )
    elif key is not None and not given and described.key_manager == "CUSTOMER":
        yield Finding(
            f"Table {wanted.table!r} is encrypted with a customer managed key, which the stack may not use: deploy "
            f"with ItemsTableKeyArn={key}, and let the key's policy allow kms:Decrypt to the account's roles."
        )


def _check_replicas(wanted: Wanted, table: Mapping[str, Any]) -> Iterator[Finding]:
    regions = [one.get("RegionName", "?") for one in table.get("Replicas", ())]
    if not regions:
        return
    writing = (
        " A conditional write through this stack does not see what another region writes meanwhile." * wanted.writes
    )
    yield Finding(
        f"Table {wanted.table!r} is a global table with replicas in {', '.join(sorted(regions))}: AWS advises one "
        f"reader for each shard of its stream, and a stack has two, so watch the alarms on the readers' lag.{writing}",
        is_error=False,
    )
