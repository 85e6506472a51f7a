"""Plays a history to its end."""

from tests.simulation.world.steps import History
from tests.simulation.world.world import World


def played(history: History) -> World:
    world = World(history)
    for step in history.steps:
        world.play(step)
    world.finish()
    return world
