"""The base of a table of huge items: they pass through, and are not held."""

import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.jobs.steps import gathering
from tailrace.backfill.base import base_rows
from tests.simulation.jobs.world import World


class Image(dict[str, Any]):
    """Fields that tell when they are gone."""


def test_items_pass_through_one_after_the_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    context, alive, most = world.job_context(), list[weakref.ref[Image]](), 0

    def images() -> Iterator[Image]:
        nonlocal most
        for number in range(500):
            image = Image(number=number)
            alive.append(weakref.ref(image))
            yield image
            del image
            most = max(most, sum(one() is not None for one in alive))

    folded: list[int] = []

    def counted(items: Any, *rest: Any, **options: Any) -> Any:
        before = len(alive)
        result = base_rows(items, *rest, **options)
        folded.append(len(alive) - before)
        return result

    monkeypatch.setattr(gathering, "base_rows", counted)
    monkeypatch.setattr(gathering, "_ITEMS_PER_FOLD", 200)
    generation = next(iter(context.control.read().generations.values()))
    space = RowSpace(generation, context.aggregate(generation.id))
    job: Any = SimpleNamespace(kind="build", sample=1, data={"partitions": 1})
    pages: Any = SimpleNamespace(size=0)
    assert list(gathering._write_base(context, job, [space], images(), pages)) == [200, 200, 100]
    assert len(folded) == 3
    assert len(alive) == 500
    assert most < 5
