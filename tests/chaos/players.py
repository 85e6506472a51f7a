"""Processes that play rounds side by side, each on a stack of its own."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any

from local.errors import LocalError
from tests.chaos.checks import Check
from tests.chaos.clients.flights import Names
from tests.chaos.rounds import Outcome, plan_of, play
from tests.chaos.stack import chaos_stack

# spawn, since forking a process with threads can hang
_PROCESSES = multiprocessing.get_context("spawn")
_SILENCE_S = 600.0
"""How long no stack may say anything: longer than a round may take."""


@contextmanager
def playing(seeds: Sequence[int], stacks: int, shards: int) -> Iterator[Iterator[Outcome | str]]:
    """Play the seeds on several stacks; yield outcomes as they come, or a sentence if a stack fails."""
    waiting, done = _PROCESSES.Queue(), _PROCESSES.Queue()
    for seed in seeds:
        waiting.put(seed)
    number = min(stacks, len(seeds))
    players = [_PROCESSES.Process(target=_play_all, args=(waiting, done, shards)) for _ in range(number)]
    for player in players:
        player.start()
    try:
        yield (_next(done, players) for _ in seeds)
    finally:
        for player in players:
            if player.is_alive() and player.pid:
                os.kill(player.pid, signal.SIGTERM)
        for player in players:
            player.join()


def _next(done: Any, players: Sequence[Any]) -> Outcome | str:
    deadline = time.monotonic() + _SILENCE_S
    while time.monotonic() < deadline:
        running = any(player.is_alive() for player in players)
        try:
            found: Outcome | str = done.get(timeout=1)
        except Empty:
            if not running:
                return "All stacks have ended early; the errors are above."
        else:
            return found
    return f"No round ended for {_SILENCE_S:.0f} seconds."


def _stop(*_signal: object) -> None:
    threading.excepthook = lambda _: None  # clients that still write and read when the stack ends
    sys.exit(0)


def _play_all(waiting: Any, done: Any, shards: int) -> None:
    """Play seeds on one stack after another, until there are none."""
    # Ctrl-C is handled by the main process, which stops this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    logging.getLogger("local").setLevel(logging.ERROR)
    try:
        while True:
            with chaos_stack(shards) as chaos:
                check = Check(chaos)
                while chaos.rounds < Names.MAX_ROUNDS:
                    done.put(play(chaos, check, plan_of(waiting.get(timeout=1))))
    except Empty:
        return
    except LocalError as error:
        done.put(str(error))
