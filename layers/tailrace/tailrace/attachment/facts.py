"""What is known about an existing table, what is wanted of it, and what a check of it finds."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

_STREAM_ARN = re.compile(r"arn:([^:\s]+):dynamodb:([^:\s]+):([^:\s]+):table/([A-Za-z0-9_.-]+)/stream/([^/\s]+)")
_TABLE_ARN = re.compile(r"arn:([^:\s]+):dynamodb:([^:\s]+):([^:\s]+):table/([A-Za-z0-9_.-]+)")

ANY_ACCOUNT = "*"
"""The account in the ARN of a table whose account is not known yet."""


class Place(NamedTuple):
    """Where a table is, as its ARN says."""

    partition: str
    region: str
    account: str
    table: str


class Actor(Struct, frozen=True):
    """Who checks the table, as the beginning of a sentence that ends with a permission, and what to do without it."""

    lacks: str
    remedy: str


class Wanted(Struct, frozen=True):
    """What a stack is to be attached to.

    Attributes:
        table: the table's name.
        table_arn: its ARN in the stack's account and region, as far as they are known.
        stream_arn: the ARN of the stream to read; None for the table's latest.
        key_arn: the customer managed key that the stack may use; None if that is left open.
        writes: whether the write entrances are on.
        actor: who checks the table.
        stream_option: the parameter or option that gives the stream.
    """

    table: str
    table_arn: str
    stream_arn: str | None
    key_arn: str | None
    actor: Actor
    writes: bool = False
    stream_option: str = "ItemsStreamArn"

    @property
    def where(self) -> str:
        """Region and account, in words."""
        place = place_of_table(self.table_arn)
        if place is None:
            return "this region"
        return f"region {place.region}" + (f" of account {place.account}" if place.account != ANY_ACCOUNT else "")


class Denied(NamedTuple):
    """An action that was denied, and the resource that it was for."""

    action: str
    resource: str


class Described(Struct, frozen=True):
    """What DynamoDB says about a table.

    Attributes:
        table: ``Table`` of DescribeTable; None if there is no such table, or describing it is denied.
        stream: ``StreamDescription`` of DescribeStream; None if it was not asked for, is gone, or describing it is
            denied.
        stream_is_gone: whether there is no such stream.
        time_to_live: ``TimeToLiveDescription`` of DescribeTimeToLive.
        key_manager: ``AWS`` or ``CUSTOMER``: who manages the KMS key that encrypts the table; None if unknown.
        denied: what was denied.
    """

    table: Mapping[str, Any] | None = None
    stream: Mapping[str, Any] | None = None
    stream_is_gone: bool = False
    time_to_live: Mapping[str, Any] | None = None
    key_manager: str | None = None
    denied: Sequence[Denied] = ()

    def is_denied(self, action: str) -> bool:
        """Tell whether an action was denied."""
        return any(one.action == action for one in self.denied)

    @property
    def key_arn(self) -> str | None:
        """The KMS key that encrypts the table, AWS's ``aws/dynamodb`` or a customer managed one."""
        encryption = (self.table or {}).get("SSEDescription") or {}
        return encryption.get("KMSMasterKeyArn") if encryption.get("Status") != "DISABLED" else None

    @property
    def latest_stream(self) -> str | None:
        """The ARN of the table's stream, if it is enabled."""
        table = self.table or {}
        enabled = (table.get("StreamSpecification") or {}).get("StreamEnabled")
        return table.get("LatestStreamArn") or None if enabled else None


class Finding(NamedTuple):
    """One sentence about a table, with what to do; a warning if the stack works all the same."""

    text: str
    is_error: bool = True


def place_of_stream(arn: str) -> Place | None:
    """Return the place of the table whose stream this ARN names; None if it is not that of a DynamoDB stream."""
    found = _STREAM_ARN.fullmatch(arn)
    return Place(*found.groups()[:4]) if found else None


def place_of_table(arn: str) -> Place | None:
    """Return the place of the table that this ARN names; None if it is not a table's."""
    found = _TABLE_ARN.fullmatch(arn)
    return Place(*found.groups()) if found else None
