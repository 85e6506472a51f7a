"""The search for items that break a law, in one collection: here, and in another process where all else differs."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import replace
from itertools import islice, product
from random import Random

from msgspec import Struct, field

from cli.definitions.generation.generator import Generator
from cli.definitions.generation.shrink import smallest
from cli.definitions.predicates import place_of
from cli.definitions.subject import Subject
from cli.test.laws import FAILS, Problem, is_suspicious, problems
from cli.test.worker import ELSEWHERE, Surroundings, Worker, turned_variables
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem

_CHUNK = 500
_LATE_CHUNK = 20
_GRACE_S = 5
"""The time that the first items may take, however late it is."""
_COMPARED = 80  # of each chunk: failures may be rare, but impure functions differ for most items
_ATTEMPTS = 3  # a random result may be right by chance
_MAX_POOL = 400
_CAUSES = (
    ("the clock", Surroundings(shift_s=ELSEWHERE.shift_s)),
    ("the time zone of the machine", Surroundings(zone=ELSEWHERE.zone)),
    *(
        ("the order of sets, or hash(), which differ from process to process", Surroundings(hash_seed=seed))
        for seed in (ELSEWHERE.hash_seed, 1, 2, 3, 5, 8)
    ),
    ("the locale of the machine", Surroundings(locale=ELSEWHERE.locale)),
)
_MEMORY = "gives another result after other items: it remembers something, or draws at random"
_HERE_ONLY = "something other than the item: items that came before, the process, or files of its folder"


def _chunk(items: Iterator[Item], until: float) -> list[Item]:
    """Take items that are tried together; few of them when it is late, since large items take long to make."""
    found: list[Item] = []
    for item in islice(items, _CHUNK):
        found.append(item)
        if len(found) >= _LATE_CHUNK and time.monotonic() >= until:
            break
    return found


class Broken(Struct, frozen=True):
    """A problem with the smallest item that shows it; ``items`` is the number of items that did."""

    collection: str
    problem: Problem
    item: Item


class Search(Struct):
    """Looks for broken laws in one collection.

    Attributes:
        found: the problems, each with the smallest item.
        counts: the number of items that showed each, by the problem's key: among all items for failures, and among the
            compared ones for all other laws.
        tried: the number of items. Each is tried for failures of the transform and the predicates.
        compared: the number of those that were tried for all laws, and compared with another process.
        pool: valid items that are not refused, for histories.
    """

    subject: Subject
    reference: str
    random: Random
    found: dict[tuple[str, str], Broken] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    tried: int = 0
    compared: int = 0
    pool: list[Item] = field(default_factory=list)

    def run(self, most: int, until: float, progress: Callable[[str], None] = lambda _: None) -> None:
        """Try up to ``most`` items, until a moment of the monotonic clock. Some are tried however late it is."""
        subject = self.subject
        generator = Generator(subject, subject.examples())
        latest = max(until, time.monotonic() + _GRACE_S)
        items = islice(generator.items(self.random, latest), most)
        with ExitStack() as stack:
            worker = self._start(stack)
            while (not self.tried or time.monotonic() < until) and (chunk := _chunk(items, latest)):
                before = [self._try(item) for item in chunk[:_COMPARED]]
                try:
                    self._compare(chunk[:_COMPARED], before, worker)
                except EOFError:
                    text = "ends another process that evaluates the same items, or cannot be evaluated there"
                    self._add_once(Problem("depends", self.reference, text), {})
                    worker = None
                for item in chunk[_COMPARED:]:
                    if is_suspicious(subject, item):
                        self._note(item, is_compared=False)
                self.tried += len(chunk)
                self.compared += len(chunk[:_COMPARED])
                progress(f"{subject.collection.name}: {self.tried:,} items")

    def _start(self, stack: ExitStack) -> Worker | None:
        """Start the process for comparisons; with the right clock or fewer variables, if others prevent the import."""
        choices = turned_variables(self.reference)
        for shift_s, turned in product((ELSEWHERE.shift_s, 0), choices):
            worker = stack.enter_context(Worker(self.reference, replace(ELSEWHERE, shift_s=shift_s, turned=turned)))
            if worker.is_ready():
                return worker
        text = "cannot be imported in another process"
        if choices[-1]:
            text += f", whose environment lacks {', '.join(sorted(choices[-1]))}"
        self._add_once(Problem("depends", self.reference, text), {})
        return None

    @property
    def errors(self) -> list[Broken]:
        """The problems that show a broken definition."""
        return [broken for broken in self.problems if broken.problem.is_error]

    @property
    def problems(self) -> list[Broken]:
        """All problems; for a function with unstable results, nothing else: more cannot be known."""
        unstable = {where for law, where in self.found if law == "unstable"}
        return [one for (law, where), one in self.found.items() if law == "unstable" or where not in unstable]

    def _try(self, item: Item) -> str:
        self._note(item)
        if len(self.pool) < _MAX_POOL and self._is_used(item):
            self.pool.append(item)
        return self.subject.outcome(item)

    def _note(self, item: Item, *, is_compared: bool = True) -> None:
        for problem in problems(self.subject, item):
            counts = is_compared or problem.law == FAILS
            self.counts[problem.key] = self.counts.get(problem.key, 0) + counts
            if problem.key not in self.found:
                self._add(problem, smallest(item, self._shows(problem.key)))

    def _is_used(self, item: Item) -> bool:
        try:
            self.subject.collection.prepare(item)
        except InvalidItem:
            return False
        return True

    def _shows(self, key: tuple[str, str]) -> Callable[[Item], bool]:
        def shows(item: Item) -> bool:
            return self.subject.accepts(item) and any(
                problem.key == key for _ in range(_ATTEMPTS) for problem in problems(self.subject, item)
            )

        return shows

    def _add(self, problem: Problem, item: Item) -> None:
        exact = next(
            (one for _ in range(_ATTEMPTS) for one in problems(self.subject, item) if one.key == problem.key), problem
        )
        self.found[problem.key] = Broken(self.subject.collection.name, exact, item)

    def _compare(self, chunk: list[Item], before: list[str], worker: Worker | None) -> None:
        """Compare outcomes with those after all items, in the opposite order, and with another process's."""
        if any(problem.law == "unstable" for problem in (broken.problem for broken in self.found.values())):
            return  # nothing more can be told apart
        name = self.subject.collection.name
        again = [self.subject.outcome(item) for item in reversed(chunk)][::-1]
        for item, first, second in zip(chunk, before, again, strict=True):
            if first != second:
                self._differs(item, first, second, _MEMORY)
                return
        if worker is None:
            return
        elsewhere = worker.outcomes(name, chunk[::-1])[::-1]
        for item, first, second in zip(chunk, before, elsewhere, strict=True):
            if first != second:
                key = "depends", self._culprit(first, second)
                if key in self.found:  # its cause is known already; the search starts many processes
                    self.counts[key] += 1
                    continue

                def differs(candidate: Item) -> bool:
                    return (
                        self.subject.accepts(candidate)
                        and self.subject.outcome(candidate) != worker.outcomes(name, [candidate])[0]
                    )

                small = smallest(item, differs, 300)
                text = f"gives another result in another process: it depends on {self._cause(small)}"
                self._differs(small, self.subject.outcome(small), worker.outcomes(name, [small])[0], text)
                return

    def _cause(self, item: Item) -> str:
        name = self.subject.collection.name
        with Worker(self.reference, Surroundings()) as plain, Worker(self.reference, Surroundings()) as twin:
            if not plain.is_ready() or not twin.is_ready():
                return _HERE_ONLY
            usual = plain.outcomes(name, [item])
            if twin.outcomes(name, [item]) != usual:
                return _HERE_ONLY
        choices = filter(None, turned_variables(self.reference))
        turned = [("environment variables", Surroundings(turned=names)) for names in choices]
        for cause, surroundings in (*turned, *_CAUSES):
            with Worker(self.reference, surroundings) as worker:
                if worker.is_ready() and worker.outcomes(name, [item]) != usual:
                    return cause
        return _HERE_ONLY

    def _differs(self, item: Item, first: str, second: str, text: str) -> None:
        self._add_once(Problem("depends", self._culprit(first, second), text), item)

    def _add_once(self, problem: Problem, item: Item) -> None:
        self.counts[problem.key] = self.counts.get(problem.key, 0) + 1
        self.found.setdefault(problem.key, Broken(self.subject.collection.name, problem, item))

    def _culprit(self, first: str, second: str) -> str:
        """Return whose result differs between two outcomes."""
        subject = self.subject
        transform = subject.collection.transform
        names = [f"transform of {subject.collection.name!r}" + (f", {place_of(transform)}" if transform else "")]
        names += [str(predicate) for predicate in subject.predicates]
        names += [f"aggregate {aggregate.name!r}" for aggregate in subject.aggregates]
        pairs = zip(first.split("\n"), second.split("\n"), strict=False)
        return next((name for name, (a, b) in zip(names, pairs, strict=False) if a != b), names[0])
