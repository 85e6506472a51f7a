"""``tailrace redrive``: lists, counts and puts back what failed."""

import argparse
from collections.abc import Sequence
from copy import replace
from typing import Any

from cli.console import counted, say, visible
from cli.errors import UsageError
from cli.failures.places import Place, places
from cli.failures.run import Policy, Run, Tally
from cli.options import add_sending_options, add_stack_options, stack_of
from cli.stacks import explained
from tailrace.definition.route_names import resource_name

_HELP = """\
List, count and put back what failed. Without a PLACE, this only counts:

  intake      dead letters of the intake queue
  archive     dead letters of the archive queue
  <route>     dead letters of a route's queue
  async       files that were not loaded, archive objects that were not cataloged
  batches     stream batches that fanout or aggregate gave up
  quarantine  refused items; see also `tailrace quarantine`

You can interrupt and repeat it. A message or file that would create or change
an item is compared with the item first, and stays unless an option allows it."""


DONE = " were put back, or removed on request"


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "redrive",
        help="count what failed, and put it back",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("places", nargs="*", metavar="PLACE", help="what to put back")
    parser.add_argument("--all", action="store_true", help="put back everything")
    add_stack_options(parser)
    add_sending_options(parser, DONE)
    add_policy_options(parser)
    parser.add_argument(
        "--repaired",
        action="store_true",
        help="remove batches of aggregate after verify --repair has repaired the rows",
    )
    parser.set_defaults(run=run)


def add_policy_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what may be done to items."""
    parser.add_argument("--create", action="store_true", help="create items that do not exist")
    parser.add_argument("--overwrite", action="store_true", help="change items, and load files over them")
    parser.add_argument("--newer-by", metavar="FIELD", help="change items whose FIELD is less than the message's")
    parser.add_argument("--discard", action="store_true", help="remove what cannot be put back")


def policy_of(options: argparse.Namespace) -> Policy:
    """Return the policy that the options name."""
    return Policy(options.create, options.overwrite, options.newer_by, options.discard)


def run(options: argparse.Namespace) -> int:
    """Count, or put back.

    Raises:
        UsageError: a place is unknown, or named together with --all.
        CommandError: AWS rejects a request.
    """
    if options.all and options.places:
        raise UsageError("--all and the names of places cannot be combined: omit one of them.")
    policy = replace(policy_of(options), repaired=options.repaired)
    with explained():
        known = places(stack_of(options), policy)
        if not options.places and not options.all:
            return _list(known)
        chosen = _chosen(known, options)
        remaining = options.limit
        for place in chosen:
            tally = redrive(place, Run(policy, options.dry_run, remaining, options.rate))
            remaining = None if remaining is None else remaining - tally.put_back - tally.discarded
            if remaining is not None and remaining <= 0:
                break
    return 0


def redrive(place: Place, run: Run) -> Tally:
    """Put back what a place holds, and print what was done, even if it is interrupted."""
    try:
        place.redrive(run)
    except KeyboardInterrupt:
        run.tally.notes.append("interrupted: run the command again to continue")
        raise
    finally:
        show(place.name, run)
    return run.tally


def show(name: str, run: Run) -> None:
    """Print what was done."""
    tally = run.tally
    would = "would be " if run.dry_run else ""
    say(f"{name:<11} {tally.put_back:,} {would}put back")
    for reason, count in tally.removed.items():
        say(f"{'':<12}{count:,} {would}removed: {visible(reason)}")
    for reason, count in tally.left.items():
        say(f"{'':<12}{count:,} left: {visible(reason)}")
        for example in tally.examples[reason]:
            say(f"{'':<14}{visible(example)}")
        if count > len(tally.examples[reason]):
            say(f"{'':<14}…")
    for note in tally.notes:
        say(f"{'':<12}{note}")


def _list(known: Sequence[Place]) -> int:
    for place in known:
        say(f"{place.name:<11} {counted(place.count(), 'failure')}")
    return 0


def _chosen(known: Sequence[Place], options: argparse.Namespace) -> Sequence[Place]:
    if options.all:
        return known
    by_name = {resource_name(place.name): place for place in known}
    for name in options.places:
        if resource_name(name) not in by_name:
            raise UsageError(f"There is no place {name!r}: choose from {', '.join(place.name for place in known)}.")
    return [by_name[name] for name in dict.fromkeys(map(resource_name, options.places))]
