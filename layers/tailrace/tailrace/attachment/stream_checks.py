"""Whether the stream of an existing table can be read: which stream it is, whether it is enabled, what it carries."""

from collections.abc import Iterator

from tailrace.attachment.facts import ANY_ACCOUNT, Described, Finding, Place, Wanted, place_of_stream, place_of_table

_VIEW = "NEW_AND_OLD_IMAGES"
_MAX_SHOWN = 200
_CARRIES = {
    "KEYS_ONLY": "only keys",
    "NEW_IMAGE": "only the new image of an item",
    "OLD_IMAGE": "only the old image of an item",
}


def check_stream(wanted: Wanted, described: Described) -> Iterator[Finding]:
    """Yield what is wrong with the stream."""
    found = list(_check_arn(wanted, described))
    yield from found
    if described.table is not None and described.latest_stream is None:
        yield Finding(
            f"The stream of table {wanted.table!r} is disabled: enable it with `aws dynamodb update-table --table-name "
            f"{wanted.table} --stream-specification StreamEnabled=true,StreamViewType={_VIEW}`, then set "
            f"{wanted.stream_option} to the table's new LatestStreamArn."
        )
        return
    yield from _check_view(wanted, described)
    if not found:
        yield from _check_status(wanted, described)


def is_stream_of(wanted: Wanted, table_arn: str) -> bool:
    """Tell whether the stream named is one of the table."""
    return wanted.stream_arn is not None and place_of_stream(wanted.stream_arn) == place_of_table(table_arn)


def _check_arn(wanted: Wanted, described: Described) -> Iterator[Finding]:
    if wanted.stream_arn is None:
        return
    latest = described.latest_stream
    option, remedy = wanted.stream_option, f"set it to {latest}" if latest else "set it to the table's LatestStreamArn"
    given = place_of_stream(wanted.stream_arn)
    if given is None:
        what = _what_it_is(wanted.stream_arn)
        yield Finding(f"{option} is {what}, not the ARN of a DynamoDB stream: {remedy}.")
        return
    expected = place_of_table((described.table or {}).get("TableArn") or wanted.table_arn)
    if expected is not None and expected.account == ANY_ACCOUNT:
        expected = expected._replace(account=given.account)
    if expected is not None and given != expected:
        given_words, expected_words = _differences(given, expected)
        yield Finding(
            f"{option} is a stream of {given_words}, but the stack reads the table in {expected_words}: {remedy}"
            + (f", or deploy the stack in {given.region}." if _differs_in_region_only(given, expected) else ".")
        )
    elif latest is not None and wanted.stream_arn != latest:
        yield Finding(
            f"{option} is an earlier stream of table {wanted.table!r}, which receives no more changes, because its "
            f"stream was disabled and enabled again: {remedy}."
        )


def _what_it_is(arn: str) -> str:
    if not arn.strip():
        return "empty"
    if place_of_table(arn):
        return "the ARN of a table"
    return repr(arn if len(arn) <= _MAX_SHOWN else f"{arn[:_MAX_SHOWN]}…")


def _differences(given: Place, expected: Place) -> tuple[str, str]:
    names = ("partition", "region", "account", "table")
    differing = [name for name in names if getattr(given, name) != getattr(expected, name)]
    shown = [", ".join(f"{name} {getattr(place, name)}" for name in differing) for place in (given, expected)]
    return shown[0], shown[1]


def _differs_in_region_only(given: Place, expected: Place) -> bool:
    return given._replace(region="") == expected._replace(region="")


def _check_view(wanted: Wanted, described: Described) -> Iterator[Finding]:
    if described.table is not None:
        view = (described.table.get("StreamSpecification") or {}).get("StreamViewType")
    else:
        view = (described.stream or {}).get("StreamViewType", _VIEW)
    if view == _VIEW:
        return
    yield Finding(
        f"The stream of table {wanted.table!r} carries {_CARRIES.get(str(view), f'{view!r}')} "
        f"(StreamViewType={view}), and aggregates need both images: a stream's view type cannot be changed, so disable "
        f"the stream and enable it again with StreamViewType={_VIEW}, then set {wanted.stream_option} to the table's "
        "new LatestStreamArn, here and for the stream's other readers."
    )


def _check_status(wanted: Wanted, described: Described) -> Iterator[Finding]:
    if described.stream_is_gone:
        yield Finding(
            f"There is no stream {wanted.stream_arn}: set {wanted.stream_option} to the LatestStreamArn that `aws "
            f"dynamodb describe-table --table-name {wanted.table}` shows."
        )
    status = (described.stream or {}).get("StreamStatus", "ENABLED")
    if status == "ENABLING":
        yield Finding(f"The stream of table {wanted.table!r} is still being enabled: try again in a minute.")
    elif status != "ENABLED":
        yield Finding(
            f"The stream of table {wanted.table!r} is {status}: enable it again with StreamViewType={_VIEW}, then set "
            f"{wanted.stream_option} to the table's new LatestStreamArn."
        )
