"""Samples become changes, with the shares of updates and deletions that were asked for."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from cli.plan.profile import RowClass
from cli.plan.sampling.changes import Changes, Shares, group_fields, varied
from tests.unit.cli.plan.sampling.samples import line, plan


def test_updates_and_deletions_have_their_shares(file: Callable[..., Path]) -> None:
    inserts, updates, deletes = plan(file([line(n) for n in range(3_000)]), Shares(0.5, 0.2)).kinds
    changes = inserts + updates + deletes
    assert updates / changes == pytest.approx(0.5, abs=0.03)
    assert deletes / changes == pytest.approx(0.2, abs=0.03)


def test_changes_without_an_item_are_named(file: Callable[..., Path]) -> None:
    """Half of the lines are updates, so there are fewer items to delete than deletions."""
    found = plan(file([line(n // 2, celsius=n) for n in range(1_000)]), Shares(0, 0.5))
    assert re.search("[0-9]+ changes could not be simulated: every item was deleted already.", " ".join(found.notes))


def test_made_up_updates_stay_in_their_rows(file: Callable[..., Path]) -> None:
    path = file([line(n) for n in range(2_000)])
    without, made_up = plan(path).profile, plan(path, Shares(updates=0.5)).profile
    sensors = RowClass("sensors", "row", 1)
    assert sensors not in made_up.touched or without.touched
    # no update moves an item to another sensor, which would enter and leave a value of the list
    entering = sum(touched[0] for row, touched in made_up.touched.items() if row[:2] == ("sensors", "list"))
    assert entering == 2_000


def test_the_fields_that_decide_the_rows_are_found_by_trying() -> None:
    items = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]
    assert group_fields(items, lambda item: item["a"] + item["c"]) == {"a", "c"}
    assert varied(items[0], items[1], frozenset("ac")) == {"a": 1, "b": 5, "c": 3}


def test_only_so_many_items_are_remembered() -> None:
    changes = Changes(Shares(0.3, 0.1), frozenset(), lambda _: True, Random(1))  # noqa: S311 - not for secrets
    steps = changes.steps((str(n), {"n": n}, 1_000_000) for n in range(2_000))
    assert sum(1 for _ in steps) > 2_000
    assert changes._known.size <= 64 * 1024 * 1024
    assert len(changes._known.ids) == len(changes._known.items) == len(changes._known.places) <= 67
    assert all(changes._known.ids[place] == item_id for item_id, place in changes._known.places.items())
