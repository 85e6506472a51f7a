"""Plays histories of files that are loaded: ``python -m tests.simulation.load --seeds 10000``."""

from tests.simulation import seeds
from tests.simulation.load.history import History


def play(seed: int) -> list[str]:
    """Play one history; return what is wrong, and how it came."""
    history = History(seed)
    wrong = history.play()
    return [*wrong, *history.trace] if wrong else []


if __name__ == "__main__":
    raise SystemExit(seeds.play_all(play, seeds.parser(__doc__).parse_args()))
