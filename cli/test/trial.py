"""The whole trial of a definition: its examples, generated items, and histories of them; and the report."""

import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from msgspec import Struct, field

from cli.console import counted
from cli.definitions.subject import Subject
from cli.test.examples import check_definition
from cli.test.findings import Findings
from cli.test.histories import Difference, difference, generate
from cli.test.laws import FAILS, Problem
from cli.test.search import Broken, Search
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps

_HISTORIES_SHARE = 0.25
_MIN_ITEMS = 20


class Limits(Struct, frozen=True):
    """How long to try: whichever of seconds, and items of each collection, ends first."""

    seed: int = 0
    seconds: float = 30
    items: int = 20_000


class Trial(Struct):
    """Tries one pipeline; it fills its attributes while it runs."""

    pipeline: Pipeline
    limits: Limits
    findings: Findings = field(default_factory=Findings)
    searches: list[Search] = field(default_factory=list)
    histories: int = 0
    different: Difference | None = None

    def run(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Try the definition."""
        began = time.monotonic()
        self.findings = check_definition(self.pipeline)
        share = self.limits.seconds * (1 - _HISTORIES_SHARE) / max(len(self.pipeline.collections), 1)
        for number, collection in enumerate(self.pipeline.collections, 1):
            random = Random(f"{self.limits.seed} {collection.name}")  # noqa: S311 - not for secrets
            search = Search(Subject.of(self.pipeline, collection), self.pipeline.reference, random)
            self.searches.append(search)
            search.run(self.limits.items, began + number * share, progress)
            self._check_reach(search)
        if not self.errors:
            # a slow machine may be late already: histories have their share all the same
            own = time.monotonic() + self.limits.seconds * _HISTORIES_SHARE
            self._play(max(began + self.limits.seconds, own), progress)

    def _check_reach(self, search: Search) -> None:
        name = search.subject.collection.name
        if search.tried < _MIN_ITEMS and search.tried < self.limits.items:
            self.findings.warn(
                f"only {counted(search.tried, 'different item')} of {name!r} could be generated from its schema: "
                "add examples=[…]"
            )
        elif not search.pool:
            self.findings.error(f"the transform of {name!r} refuses every generated item: add examples=[…], or fix it")
        for aggregate in search.subject.aggregates if search.pool else ():
            if not any(search.subject.counts_in(aggregate, item) for item in search.pool):
                self.findings.warn(
                    f"aggregate {aggregate.name!r}: no generated item of {name!r} is in any row, so what it adds was "
                    "not tried: add examples=[…]"
                )

    def _play(self, until: float, progress: Callable[[str], None]) -> None:
        random = Random(f"{self.limits.seed} histories")  # noqa: S311 - not for secrets
        subjects = {search.subject.collection.name: search.subject for search in self.searches}
        pools = {search.subject.collection.name: search.pool for search in self.searches}
        while (not self.histories or time.monotonic() < until) and self.histories < self.limits.items:
            writes = generate(subjects, pools, random)
            self.different = difference(self.pipeline, writes, random)
            self.histories += 1
            progress(counted(self.histories, "history", "histories"))
            if self.different or not writes:
                return

    @property
    def errors(self) -> list[Broken]:
        """The laws that the definition breaks."""
        return [broken for search in self.searches for broken in search.errors]

    @property
    def is_broken(self) -> bool:
        """Whether anything is wrong with the definition."""
        return bool(self.findings.errors or self.errors or self.different)

    def as_json(self) -> Json:
        """Return the report."""
        return {
            "pipeline": self.pipeline.reference,
            "seed": self.limits.seed,
            "broken": self.is_broken,
            "errors": self.findings.errors,
            "warnings": self.findings.warnings,
            "collections": [
                {
                    "name": search.subject.collection.name,
                    "items": search.tried,
                    "compared": search.compared,
                    "problems": _problems(search),
                }
                for search in self.searches
            ],
            "histories": self.histories,
            "difference": None
            if self.different is None
            else {"text": str(self.different), "writes": [write.describe() for write in self.different.writes]},
        }


def _problems(search: Search) -> list[Mapping[str, Any]]:
    return [
        {
            "law": broken.problem.law,
            "error": broken.problem.is_error,
            "where": broken.problem.where,
            "text": broken.problem.text,
            "items": search.counts[broken.problem.key],
            "smallest": broken.item,
        }
        for broken in search.problems
    ]


def lines(trial: Trial) -> list[str]:
    """Return the report as lines for people."""
    found = [f"BROKEN  {text}" for text in trial.findings.errors]
    for search in trial.searches:
        for broken in search.problems:
            problem = broken.problem
            found.append(f"{'BROKEN' if problem.is_error else 'note  '}  {problem.where}")
            found.append(f"        {problem.text}")
            found.append(f"        smallest {_among(problem, search)}: {dumps(broken.item)}")
    if trial.different is not None:
        found.append(f"BROKEN  {trial.different}")
        found += [f"        {dumps(write.describe())}" for write in trial.different.writes]
    found += [f"note    {text}" for text in trial.findings.warnings]
    if not trial.searches and not trial.is_broken:
        return [*found, f"{trial.pipeline.reference} has no collections, so there is nothing to try."]
    tried = [_tried(search) for search in trial.searches]
    histories = counted(trial.histories, "history", "histories")
    verdict = "is broken" if trial.is_broken else "passes"
    found.append(f"{trial.pipeline.reference} {verdict}: {', '.join([*tried, histories])}, seed {trial.limits.seed}.")
    return found


def _among(problem: Problem, search: Search) -> str:
    """Return how many items showed a problem, and among how many if not all were tried for it."""
    name, count = search.subject.collection.name, search.counts[problem.key]
    if not count:  # shown only by an item that was tried for failures alone
        return f"such item of {name!r}"
    of_all = problem.law == FAILS or search.compared == search.tried
    return f"of {counted(count, 'such item')} {'of' if of_all else f'among {search.compared:,} of'} {name!r}"


def _tried(search: Search) -> str:
    whole = "" if search.compared == search.tried else f" ({search.compared:,} of them for all laws)"
    return f"{counted(search.tried, 'item')} of {search.subject.collection.name!r}{whole}"
