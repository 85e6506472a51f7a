"""``tailrace check``: whether a stack can be attached to an existing table, and what it would make of its items."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from copy import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.check.report import Report, findings_of
from cli.check.sample import read_sample
from cli.check.tally import Tally
from cli.console import say, show_progress
from cli.definitions.loading import load_definition
from cli.options import add_endpoint_option, parse_count, parse_table_name
from cli.stacks import Account, by_aws, explained, sign_in
from tailrace.attachment.facts import ANY_ACCOUNT, Actor, Denied, Described, Wanted
from tailrace.attachment.item_checks import check_key
from tailrace.attachment.table_checks import check_table, lacks_rights
from tailrace.aws.custom_resources.table_check import DENIED, describe
from tailrace.aws.runtime.errors import has_code
from tailrace.definition.default_pipeline import DEFAULT_PIPELINE
from tailrace.definition.pipeline import Pipeline
from tailrace.definition.route_names import routes_parameter
from tailrace.errors import TailraceError

_HELP = """\
Check whether a stack can be attached to an existing table: its stream, key,
TTL attribute and encryption, compared with your definition. With --sample, read
some items as well, and report which collections they match, which of them are
invalid, and which aggregates would not count them. Nothing is written. A sample
takes a read unit for each 8 KB.

It needs the permissions dynamodb:DescribeTable, dynamodb:DescribeTimeToLive
and dynamodb:DescribeStream, kms:DescribeKey for a table with a key in KMS, and
dynamodb:Scan for a sample.

exit status: 0 a stack can be attached; 1 it cannot, sampled items would go to
quarantine, or something is missing or denied; 2 invalid arguments."""

_USER = Actor("These credentials lack", "grant it to them, or pass another --profile")


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "check",
        help="check whether a stack can be attached to an existing table",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--table", required=True, type=parse_table_name, metavar="NAME", help="name of the table")
    add("--stream", metavar="ARN", help="the stream that the stack will read (default: the table's)")
    add("--sample", type=parse_count, metavar="N", help="read this many items, and try the definition on them")
    add("--writes", action="store_true", help="also check what WriteEntrances=on needs")
    add("--pipeline", metavar="MODULE:ATTRIBUTE",
        help="the pipeline (default: $TAILRACE_PIPELINE, or the template's)")  # fmt: skip
    add("--region", help="region of the table (default: the AWS CLI's)")
    add("--profile", help="AWS profile (default: the AWS CLI's)")
    add_endpoint_option(parser)
    add("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the table and print the report.

    Raises:
        UsageError: there is no such pipeline.
        CommandError: the definition cannot be imported, or AWS cannot be called.
    """
    reference = options.pipeline or os.environ.get("TAILRACE_PIPELINE", "").strip() or DEFAULT_PIPELINE
    with redirect_stdout(sys.stderr):  # what the definition prints
        pipeline = load_definition(reference)
        account = sign_in(f"table {options.table!r}", options.region, options.profile, options.endpoint_url)
        report = _checked(pipeline, reference, account, options)
    if options.json:
        say(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        for line in report.lines():
            say(line)
    return 0 if report.fits else 1


def _checked(pipeline: Pipeline, reference: str, account: Account, options: argparse.Namespace) -> Report:
    wanted = Wanted(
        table=options.table,
        table_arn=_expected_arn(account, options.table),
        stream_arn=options.stream,
        key_arn=None,
        actor=_USER,
        writes=options.writes,
        stream_option="ItemsStreamArn" if options.stream is None else "--stream",
    )
    dynamodb = account.client("dynamodb")
    with explained(), _sdk_errors(), by_aws(dynamodb):
        described = describe(
            dynamodb,
            account.client("dynamodbstreams"),
            wanted,
            kms=lambda: account.client("kms"),
            reads=False,
        )
    tally = None
    if options.sample and described.table is not None:
        tally = Tally(pipeline, [one["AttributeName"] for one in described.table["KeySchema"]])
        if not _fill(tally, account, options.table, options.sample):
            scan = Denied("dynamodb:Scan", described.table.get("TableArn") or wanted.table_arn)
            described, tally = replace(described, denied=(*described.denied, scan)), None
    findings = check_table(pipeline, wanted, described)
    # keys that are not the definition's are one finding, and not one for each item
    has_other_keys = described.table is not None and any(check_key(pipeline, wanted, described.table))
    of_items = [] if tally is None or has_other_keys else [*findings_of(tally)]
    parameters, is_known = parameters_of(wanted, described, pipeline, reference), not lacks_rights(described)
    return Report(options.table, account.region, parameters, findings, tally, of_items, is_known)


def _fill(tally: Tally, account: Account, table: str, limit: int) -> bool:
    """Count a sample of the table's items; return whether they may be read."""
    with explained():
        try:
            for image in read_sample(account.client("dynamodb"), table, limit, show_progress):
                tally.add(image)
        except ClientError as error:
            if not has_code(error, *DENIED):
                raise
            return False
    return True


def _expected_arn(account: Account, table: str) -> str:
    """Return the table's ARN for messages; the account is unknown until the table is described."""
    partition = account.session.get_partition_for_region(account.region)
    return f"arn:{partition}:dynamodb:{account.region}:{ANY_ACCOUNT}:table/{table}"


def parameters_of(wanted: Wanted, described: Described, pipeline: Pipeline, reference: str) -> dict[str, str]:
    """Return the parameters to deploy a stack with."""
    found = {"ItemsTableName": wanted.table}
    if stream := wanted.stream_arn or described.latest_stream:
        found["ItemsStreamArn"] = stream
    if described.key_manager == "CUSTOMER" and described.key_arn:
        found["ItemsTableKeyArn"] = described.key_arn
    if wanted.writes:
        found["WriteEntrances"] = "on"
    if reference != DEFAULT_PIPELINE:
        found["Pipeline"] = reference
    return found | {"Routes": routes_parameter(route.name for route in pipeline.routes)}


@contextmanager
def _sdk_errors() -> Iterator[None]:
    """Raise the SDK's error again, which tells a user more than the functions' translation."""
    try:
        yield
    except TailraceError as error:
        if isinstance(error.__cause__, ClientError | BotoCoreError):
            raise error.__cause__ from None
        raise
