"""Outcomes of rounds, in words."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from tests.chaos.rounds import COMBINATIONS, Outcome

_MOST_SHOWN = 12


def describe(outcome: Outcome) -> str:
    """Return what was wrong with a round, and how to play it again."""
    shown = [f"  wrong: {text}" for text in outcome.violations[:_MOST_SHOWN]]
    if len(outcome.violations) > _MOST_SHOWN:
        shown.append(f"  and {len(outcome.violations) - _MOST_SHOWN} more")
    met = ", ".join(f"{name} {count}" for name, count in sorted(outcome.met.items()))
    return "\n".join(
        [
            f"seed {outcome.seed} failed: {' + '.join(outcome.kinds)} ({met})",
            *shown,
            f"  again: make chaos ROUNDS=1 FIRST={outcome.seed}",
        ]
    )


def summary(outcomes: Sequence[Outcome], took_s: float) -> str:
    """Return what all rounds came to."""
    if not outcomes:
        return "No round was played."
    failed = sum(bool(outcome.violations) for outcome in outcomes)
    wrong = sum(len(outcome.violations) for outcome in outcomes)
    covered = {tuple(outcome.kinds) for outcome in outcomes}
    alone, pairs = (sum(len(kinds) == size for kinds in covered) for size in (1, 2))
    all_alone, all_pairs = (sum(len(kinds) == size for kinds in COMBINATIONS) for size in (1, 2))
    settled = sorted(outcome.settled_s for outcome in outcomes)
    met: Counter[str] = Counter()
    for outcome in outcomes:
        for name, count in outcome.met.items():
            met[name.partition(" ")[0]] += count
    acknowledged, unknown, reads, redriven = (
        sum(getattr(outcome, name) for outcome in outcomes) for name in ("acknowledged", "unknown", "reads", "redriven")
    )
    slowest = settled[int(0.95 * len(settled))], settled[-1]
    faults = ", ".join(f"{name} {count:,}" for name, count in met.most_common())
    return "\n".join(
        [
            f"{len(outcomes)} rounds in {took_s / 60:.0f} min, {failed} failed; drift {wrong}",
            f"  faults: {alone} of {all_alone} alone, {pairs} of {all_pairs} pairs; met: {faults or 'none'}",
            f"  writes: {acknowledged:,} acknowledged, {unknown:,} unknown; {reads:,} reads; {redriven} redrives",
            f"  settled after {median(settled):.0f} s (median), {slowest[0]:.0f} s (95%), {slowest[1]:.0f} s (longest)",
        ]
    )
