"""Plays histories of jobs: ``python -m tests.simulation.jobs --seeds 1000``."""

from functools import partial

from tests.simulation import seeds
from tests.simulation.jobs.history import Player
from tests.simulation.jobs.rivals import Rivals


def play(seed: int, *, rivals: bool = False, **modes: bool) -> list[str]:
    """Play one history, in the modes of :class:`Player`; return what is wrong, and how it came."""
    player = (Rivals if rivals else Player)(seed, **modes)
    player.play()
    return [*player.wrong, *player.world.trace] if player.wrong else []


def main() -> int:
    """Play many histories on all cores."""
    parser = seeds.parser(__doc__)
    parser.add_argument("--baskets", action="store_true", help="aggregates of elements, and a collection's own keys")
    parser.add_argument("--attached", action="store_true", help="an existing table that nothing may be written to")
    parser.add_argument("--carries", action="store_true", help="write-behind, and states that are lost or older")
    parser.add_argument("--keeps", action="store_true", help="rows that end, and that TTL removes; without baskets")
    parser.add_argument("--late", action="store_true", help="parts that run again after the job has gone on")
    parser.add_argument("--rivals", action="store_true", help="executions and jobs at the same time, stops and pauses")
    options = parser.parse_args()
    modes = {name: getattr(options, name) for name in ("baskets", "attached", "carries", "keeps", "late", "rivals")}
    return seeds.play_all(partial(play, **modes), options)


if __name__ == "__main__":
    raise SystemExit(main())
