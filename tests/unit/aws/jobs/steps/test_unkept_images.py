"""What jobs make of items that expired while the definition kept no images, or kept them under another collection."""

from collections import Counter
from copy import replace
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from tailrace import Collection
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.steps import gathering
from tailrace.backfill.generations import EXPIRED_UNKEPT
from tailrace.definition.pipeline import Pipeline
from tests.simulation.job_model import definition as model
from tests.simulation.job_model.definition import Code
from tests.unit.aws.jobs.steps.calm_player import COUNTED, PAGES, Calm, row


@dataclass(frozen=True, eq=False)
class VisitsCode(Code):
    """A deployment's definition of the visits alone."""

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline([one.of for one in self.aggregates], self.aggregates)


def visits_code(on_expiry: Any, version: int) -> VisitsCode:
    """Return a definition that keeps or retracts what expires."""
    visits = replace(model.visits, on_expiry=on_expiry)
    return VisitsCode(on_expiry, [replace(model.PAGES_1, of=visits, version=version)])


def started(monkeypatch: pytest.MonkeyPatch, codes: dict[str, VisitsCode]) -> Calm:
    """Return a player of a new stack to which the first of these definitions is deployed, and nothing fails."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    player = Calm(1)
    world: Any = player.world
    world.dies, world.busy = 0, 0
    world.codes, world.code = codes, next(iter(codes.values()))
    write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"))
    return player


@pytest.mark.parametrize("expires", [True, False])
def test_rows_lack_what_expired_before_the_collection_began_to_keep_it(
    monkeypatch: pytest.MonkeyPatch, *, expires: bool
) -> None:
    codes = {"retracts": visits_code("retract", 1), "keeps": visits_code("keep", 2)}
    player = started(monkeypatch, codes | {"keeps on": visits_code("keep", 3)})
    world = player.world
    for number in (1, 2, 3):
        world.write(f"visits#{number}", {"page": "x", "ms": 3})
    told = []
    for number in (1, 3):
        world.write(f"visits#{number}", None, expired=expires)
        world.settle()
        told.append(world.job_context().control.read().unkept)
        world.now += 600
    assert told[0] == told[1]  # it is written once an hour
    world.deploy("keeps")
    world.now += 3600
    assert player._job("build", [("pages", 2)]).job.state == "done"
    built = world.job_context().control.read().generations["pages", 2]
    assert (built.exact, built.reason == EXPIRED_UNKEPT) == (not expires, expires)
    verified = player._job("verify", [("pages", 2)]).job
    assert (verified.state, verified.data.get("unknown", [])) == ("done", ["pages@2"] if expires else [])
    assert world.job_context().control.read().generations["pages", 2].exact is not expires
    world.now += 25 * 3600
    world.deploy("keeps on")
    world.now += 3600
    assert player._job("build", [("pages", 3)]).job.state == "done"  # counts what has expired since
    assert world.job_context().control.read().generations["pages", 3].exact
    assert not player._job("verify", [("pages", 3)]).job.data.get("unknown")


def keyed_code(name: str, keys: str = "visits") -> VisitsCode:
    """Return a definition of the visits under another name, with keys of their own."""
    visits = Collection(name, schema={"type": "object"}, on_expiry="keep", key={"pk": f"{keys}#{{visit}}"})
    return VisitsCode(name, [replace(model.PAGES_1, of=visits)])


ORDERS = VisitsCode("orders", [model.LARGE_1])


@pytest.mark.parametrize(
    ("first", "meanwhile"),
    [
        (visits_code("keep", 1), ORDERS),
        (keyed_code("visits"), ORDERS),
        (keyed_code("visits"), keyed_code("others", keys="others")),
        (visits_code("keep", 1), keyed_code("others", keys="others")),
    ],
)
def test_rows_lack_what_expired_while_a_deployment_did_not_have_the_collection(
    monkeypatch: pytest.MonkeyPatch, first: VisitsCode, meanwhile: VisitsCode
) -> None:
    """A definition that was deployed by mistake keeps no image of what it does not know."""
    player = started(monkeypatch, {"first": first, "meanwhile": meanwhile})
    world = player.world
    for number in (1, 2):
        world.write(f"visits#{number}", {"page": "x", "ms": 3})
    world.settle()
    world.deploy("meanwhile")
    world.write("visits#1", None, expired=True)
    world.settle()
    world.deploy("first")
    world.now += 3600
    for kind in ("build", "verify"):
        assert player.run(kind).state == "done"
        built = world.job_context().control.read().generations[PAGES]
        assert (built.exact, built.reason) == (False, EXPIRED_UNKEPT)


def test_rows_lack_nothing_if_a_deployment_did_not_have_the_collection_and_nothing_of_it_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player = started(monkeypatch, {"first": visits_code("keep", 1), "meanwhile": ORDERS})
    world = player.world
    world.write("visits#1", {"page": "x", "ms": 3})
    world.write("sessions#1", {"user": "x"})
    world.settle()
    world.deploy("meanwhile")
    world.write("visits#1", {"page": "x", "ms": 4})
    world.write("orders#1", {"shop": "x", "paid": True})
    world.write("orders#1", None, expired=True)
    world.settle()
    world.deploy("first")
    world.write("sessions#1", None, expired=True)
    world.settle()
    world.now += 3600
    assert player.run("build").state == "done"
    assert world.job_context().control.read().generations[PAGES].exact


def test_what_expired_under_another_name_of_a_collection_is_not_known_until_its_images_are_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player = started(monkeypatch, {name: keyed_code(name) for name in ("visits", "calls")})
    world = player.world
    for number, milliseconds in ((1, 3), (2, 4)):
        world.write(f"visits#{number}", {"page": "x", "ms": milliseconds})
    world.write("visits#1", None, expired=True)
    world.settle()
    world.deploy("calls")
    world.now += 3600
    for kind in ("build", "verify"):
        assert player.run(kind).state == "done"
        built = world.job_context().control.read().generations[PAGES]
        assert (built.exact, built.reason) == (False, EXPIRED_UNKEPT)
    objects = world.buckets.objects
    for bucket, key in list(objects):
        objects[bucket, key.replace("expired/visits/", "expired/calls/")] = objects.pop((bucket, key))
    assert "unknown" not in player.run("verify").data
    assert (row(world), world.job_context().control.read().generations[PAGES].exact) == (COUNTED, True)


def test_a_base_that_is_continued_reads_the_images_that_it_has_taken_no_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = {"first": visits_code("keep", 1), "second": visits_code("keep", 2)}
    player = started(monkeypatch, codes)
    world: Any = player.world
    for number in range(40):
        world.write(f"visits#{number}", {"page": "x", "ms": 3})
    for number in range(1, 40):
        world.write(f"visits#{number}", None, expired=True)
    world.settle()
    world.now += 600
    world.deploy("second")
    world.ends = 1  # no invocation has time for more than one fold
    monkeypatch.setattr(gathering, "_ITEMS_PER_FOLD", 3)
    buckets, reads = type(world.buckets), Counter[str]()
    get = buckets.get_object

    def counted(self: Any, **request: Any) -> Any:
        reads[request["Key"]] += request["Key"].startswith("expired/")
        return get(self, **request)

    monkeypatch.setattr(buckets, "get_object", counted)
    assert player._job("build", [("pages", 2)]).job.state == "done"
    assert row(world) == {"~n": 40, "ms": 120}
    of_images = [times for key, times in reads.items() if key.startswith("expired/")]
    assert (len(of_images), min(of_images)) == (39, 1)
