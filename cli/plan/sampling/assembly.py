"""From the command's options to a profile: lines, changes among them, and the counts of their fold."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from itertools import chain, islice
from pathlib import Path
from random import Random

from msgspec import Struct

from cli.console import counted
from cli.errors import CommandError
from cli.plan.profile import Profile
from cli.plan.sampling.changes import Changes, Shares, group_fields
from cli.plan.sampling.counting import Counting, named
from cli.plan.sampling.sample import Progress, SampleFile, generated, subject_of
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.values.row_sizes import size_problem
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem

_GENERATED = 20_000
_TRIED = 100  # items, to find the fields that decide their rows


class Sampled(Struct, frozen=True):
    """A profile, and where it comes from.

    Attributes:
        source: the file, or that items were generated.
        is_generated: whether they were.
        kinds: the numbers of inserts, updates and deletions.
        notes: what readers should know about the sample.
    """

    collection: str
    source: str
    is_generated: bool
    profile: Profile
    kinds: tuple[int, int, int]
    notes: tuple[str, ...]


def sampled(
    pipeline: Pipeline, collection: str | None, path: Path | None, shares: Shares, progress: Progress
) -> Sampled:
    """Fold a sample, or generated items.

    Raises:
        UsageError: the options do not fit the pipeline, or the file cannot be opened.
        CommandError: the file cannot be read to its end, or it has no valid item, or none that an aggregate counts.
    """
    subject = subject_of(pipeline, collection)
    name = subject.collection.name
    file = None if path is None else SampleFile(path, pipeline, subject, progress)
    lines = generated(subject, _GENERATED, progress) if file is None else file.items()
    fixed: frozenset[str] = frozenset()
    if shares.updates:
        head = list(islice(lines, _TRIED))
        fixed = frozenset(subject.collection.keys.fields) | group_fields(
            [item for _, item, _ in head], _Rows(pipeline, name)
        )
        lines = chain(head, lines)
    changes = Changes(shares, fixed, subject.accepts, Random(0))  # noqa: S311 - not for secrets
    counting, kinds = Counting(pipeline), [0, 0, 0]
    for step in changes.steps(lines):
        kinds[0 if step[1] is None else 1 if step[2] is not None else 2] += 1
        counting.add(name, step)
    if not sum(kinds):
        reason = f": {file.reason}" if file is not None and file.reason else ""
        raise CommandError(f"{path or name} has no valid item to count{reason}.")
    profile = counting.profile()
    uncounted = list(_uncounted(counting, kinds))
    if not profile.touched:
        reason = f": {uncounted[0]}" if uncounted else ": none has all fields of a group, and satisfies where="
        raise CommandError(f"No aggregate counts an item of {path or name}, so there is nothing to plan for{reason}")
    source = "items generated from the schema" if file is None else str(path)
    absent = _absent(pipeline, name, profile, counting.uncounted)
    notes = (*_file_notes(file), *uncounted, *absent, *_too_large(pipeline, name), *_notes(profile, changes))
    return Sampled(name, source, file is None, profile, (kinds[0], kinds[1], kinds[2]), notes)


class _Rows:
    """The rows of items."""

    def __init__(self, pipeline: Pipeline, collection: str) -> None:
        self._collection = pipeline.collections_by_name[collection]
        self._evaluator = plan_of(pipeline).evaluators[collection]

    def __call__(self, item: Item) -> object:
        try:
            seen = self._collection.prepare(deepcopy(item))
        except InvalidItem:
            return None
        row_refs, _ = self._evaluator.contributions(seen)
        return [None if one is None else one.key for one in row_refs]


def _file_notes(file: SampleFile | None) -> Iterator[str]:
    if file is None:
        yield (
            "Generated items vary as much as the schema allows, so real items touch fewer rows. "
            "Pass --sample with items of your own."
        )
        return
    if file.refused:
        left_out = f"{_of(file.refused, file.lines, 'line')} left out as invalid"
        yield f"{left_out}; the first: {file.reason}."
    if file.without_id:
        yield f"{counted(file.without_id, 'line')} without an id: each counts as a new item."


def _uncounted(counting: Counting, kinds: Sequence[int]) -> Iterator[str]:
    for name, found in counting.uncounted.items():
        # an item that was countable for a time counts again
        of = max(kinds[0], found.items)
        yield f"{_of(found.items, of, 'item')} not counted by {name!r}; the first: {found.reason}."


def _of(number: int, total: int, noun: str) -> str:
    return f"{number:,} of {counted(total, noun)} {'is' if number == 1 else 'are'}"


def _absent(pipeline: Pipeline, collection: str, profile: Profile, uncounted: Collection[str]) -> Iterator[str]:
    found = {row.aggregate for row in profile.touched}
    for aggregate, name in named(pipeline):
        if aggregate.of.name == collection and name not in found and aggregate.name not in uncounted:
            yield f"No item of the sample is in a row of {name!r}, so it costs nothing here."


def _too_large(pipeline: Pipeline, collection: str) -> Iterator[str]:
    for one in pipeline.aggregates:
        if one.of.name == collection and (problem := size_problem(one)):
            yield f"{problem[0].upper()}{problem[1:]}."


def _notes(profile: Profile, changes: Changes) -> Iterable[str]:
    if profile.is_short:
        yield (
            f"The sample has only {counted(profile.changes, 'change')}: batches that are larger are extrapolated, "
            "and hot rows may be missed. 10,000 or more are better."
        )
    if changes.unvaried:
        yield f"{counted(changes.unvaried, 'update')} could not be simulated: no variation of the item was valid."
    if changes.without_item:
        yield f"{counted(changes.without_item, 'change')} could not be simulated: every item was deleted already."
