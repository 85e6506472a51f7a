"""``tailrace quarantine``: lists, shows and puts back refused items."""

import argparse
import json
from itertools import islice
from typing import Any

from cli.console import counted, say, visible
from cli.errors import UsageError
from cli.failures import places
from cli.failures.quarantine import Quarantine
from cli.failures.reports import Report, ReportStore
from cli.failures.run import Run
from cli.options import add_endpoint_option, add_sending_options, add_stack_options, parse_count, stack_of
from cli.redrive import DONE, add_policy_options, policy_of, redrive
from cli.stacks import explained
from tailrace.encoding.tagged_json import dumps

_HELP = """\
List and show refused items, and put them back after the code that refused
them was fixed and deployed.

Items that came from the stream go to archive and routes if the deployed
definition accepts them now. Aggregates need `tailrace verify --repair`, or a
rebuild. Items that came from the intake queue or a file were never stored;
they go to the intake queue, under the same rules as in `tailrace redrive`."""

_DEFAULT_LIST = 100


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand and its actions."""
    parser = commands.add_parser(
        "quarantine",
        help="list, show and put back refused items",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list refused items, by collection and date")
    listing.add_argument("--collection", metavar="NAME", help="only items of this collection")
    listing.add_argument(
        "--limit", type=parse_count, default=_DEFAULT_LIST, metavar="N", help="list at most N (default: 100)"
    )
    listing.set_defaults(run=run_list)
    showing = actions.add_parser("show", help="print whole reports")
    showing.add_argument("names", nargs="+", metavar="NAME", help="a report, as listed")
    showing.set_defaults(run=run_show)
    for action in (listing, showing):
        add_endpoint_option(action)
    replaying = actions.add_parser("replay", help="put items back")
    replaying.add_argument("names", nargs="*", metavar="NAME", help="a report, as listed")
    replaying.add_argument("--all", action="store_true", help="every report")
    replaying.add_argument("--collection", metavar="NAME", help="every report of this collection")
    add_sending_options(replaying, DONE)
    add_policy_options(replaying)
    replaying.set_defaults(run=run_replay)
    for action in (listing, showing, replaying):
        add_stack_options(action)


def run_list(options: argparse.Namespace) -> int:
    """List reports."""
    with explained():
        store = places.report_store(stack_of(options))
        keys = list(store.list_keys(options.collection))
        for report in store.read_all(islice(keys, options.limit)):
            say(line_of(report))
        say(counted(len(keys), "refused item") + (f", {options.limit} shown" if len(keys) > options.limit else ""))
        if not keys:
            _say_others(store, options.collection)
    return 0


def _say_others(store: ReportStore, collection: str | None) -> None:
    """Say which collections have refused items, if the named one has none: its name may be wrong."""
    if collection is not None:
        others = ", ".join(map(visible, store.collections())) or "none"
        say(f"Collection {visible(repr(collection))} has none; collections with refused items: {others}.")


def run_show(options: argparse.Namespace) -> int:
    """Print reports as JSON."""
    with explained():
        store = places.report_store(stack_of(options))
        for report in store.read_all(store.find(options.names)):
            say(json.dumps(json.loads(dumps(dict(report.content))), indent=2, ensure_ascii=False))
    return 0


def run_replay(options: argparse.Namespace) -> int:
    """Put items back.

    Raises:
        CommandError: no report is named, or one does not exist.
    """
    if bool(options.names) + bool(options.collection) + options.all != 1:
        raise UsageError("Name the reports to replay, or pass --all or --collection.")
    policy = policy_of(options)
    with explained():
        place = places.quarantine(stack_of(options), policy)
        keys = place.store.find(options.names) if options.names else list(place.store.list_keys(options.collection))
        redrive(_Chosen(place, keys), Run(policy, options.dry_run, options.limit, options.rate))
        if not keys:
            _say_others(place.store, options.collection)
    return 0


class _Chosen:
    """Some of the reports, as a place."""

    def __init__(self, place: Quarantine, keys: list[str]) -> None:
        self._place, self._keys = place, keys

    @property
    def name(self) -> str:
        return self._place.name

    def count(self) -> int:
        return len(self._keys)

    def redrive(self, run: Run) -> None:
        self._place.redrive(run, self._keys)


def line_of(report: Report) -> str:
    """Return what the list says of a report."""
    reasons = report.reasons
    first = reasons[0] if reasons else ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    time = report.content.get("time", "")
    return visible(f"{report.name}  {time}  {report.entrance:<6}  {report.item_key or '?'}  {first[:120]}{more}")
