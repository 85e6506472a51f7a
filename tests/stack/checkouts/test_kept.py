"""`make stack KEEP=1` in a checkout of its own: a saved definition is deployed, and the next run continues this one."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.stages import bulk
from local.deployment import deploy
from tests.openapi.conformance import FLIGHT
from tests.stack.checkout import Checkout, checked_out

CHANGE_SECONDS = 90.0
ADDED = """
        Aggregate("dests", of=flights, by=[field("dest")], measures={"n": count()}),
    ],
    routes"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with checked_out(tmp_path_factory.mktemp("checkout")) as made:
        yield made


def flights(first: int, end: int) -> dict[str, dict[str, Any]]:
    return {str(number): FLIGHT | {"flight": number + 1} for number in range(first, end)}


DESTS = "aggregates/dests/rows?dest=GSP"
ROWS = "aggregates/origin_days/rows?origin=EWR"


def test_a_kept_stack_follows_its_definition_and_continues(checkout: Checkout) -> None:
    checkout.start("--port", str(checkout.port))
    checkout.put(flights(0, 20))
    checkout.wait_until(lambda: checkout.count(ROWS, "flights") == 20, CHANGE_SECONDS)
    deploys_a_changed_definition(checkout)
    refuses_what_is_invalid(checkout)
    before = checkout.about
    checkout.stop(signal.SIGINT)
    assert "Saving the stack" in checkout.log
    continues_at_the_same_addresses(checkout, before)
    survives_a_kill(checkout)
    loads_a_file_on(checkout)


def deploys_a_changed_definition(checkout: Checkout) -> None:
    checkout.edit("\n    ],\n    routes", ADDED)
    checkout.wait_until(lambda: "Deployed the changed definition" in checkout.log, CHANGE_SECONDS)
    assert "Locked the meaning of dests@1" in checkout.log
    assert "dests" in checkout.aggregates()
    checkout.wait_until(lambda: "Built dests@1 from the items" in checkout.log, CHANGE_SECONDS)
    assert checkout.count(DESTS, "n") == 20  # with its history
    checkout.put(flights(20, 30))
    checkout.wait_until(lambda: checkout.count(ROWS, "flights") == 30, CHANGE_SECONDS)
    checkout.wait_until(lambda: checkout.count(DESTS, "n") == 30, CHANGE_SECONDS)


def refuses_what_is_invalid(checkout: Checkout) -> None:
    """Neither a mistake nor another meaning under the same version is deployed."""
    for old, new, expected in (
        ('by=[field("dest")]', 'by=[fields("dest")]', "NameError: name 'fields' is not defined"),
        ('measures={"n": count()}', 'measures={"n": count(where=has_landed)}', "The meaning of dests@1 has changed"),
    ):
        said = len(checkout.log)
        checkout.edit(old, new)
        checkout.wait_until(
            lambda said=said: "keeps running with the previous definition" in checkout.log[said:],  # type: ignore[misc]
            CHANGE_SECONDS,
        )
        assert expected in checkout.log[said:]
        checkout.edit(new, old)
    assert checkout.log.count("Deployed the changed definition") == 1  # the fixed one is the deployed one
    assert checkout.count(DESTS, "n") == 30


def continues_at_the_same_addresses(checkout: Checkout, before: Mapping[str, Any]) -> None:
    checkout.start()
    assert {**checkout.about, "pid": 0} == {**before, "pid": 0}
    assert checkout.count(ROWS, "flights") == 30
    checkout.put(flights(25, 40))  # the first five are there already
    checkout.wait_until(lambda: checkout.count(ROWS, "flights") == 40, CHANGE_SECONDS)
    checkout.wait_until(lambda: checkout.count(DESTS, "n") == 40, CHANGE_SECONDS)


def survives_a_kill(checkout: Checkout) -> None:
    """What was written since the last snapshot is lost; items and rows still agree, whatever was under way."""
    checkout.put(flights(40, 60))
    checkout.stop(signal.SIGKILL)
    checkout.start()
    table = deploy.client("dynamodb", checkout.about["endpoint"])
    items = table.scan(TableName=checkout.about["outputs"]["ItemsTable"], Select="COUNT")["Count"]
    assert 30 <= items <= 60
    for path, measure in ((ROWS, "flights"), (DESTS, "n")):
        checkout.wait_until(lambda path=path, measure=measure: checkout.count(path, measure) == items, CHANGE_SECONDS)  # type: ignore[misc]


@dataclass
class Running:
    """The stack of a checkout, as far as a load needs it."""

    about: dict[str, Any]

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.about["outputs"])

    def client(self, service: str) -> Any:
        return deploy.client(service, self.about["endpoint"])


def loads_a_file_on(checkout: Checkout) -> None:
    """The emulator keeps the notification in memory only."""
    stack = Running(checkout.about)
    expected = bulk.upload(stack, 8_000_000, 0, 50)
    checkout.wait_until(lambda: bulk.stored(stack, "checkpoints") is not None, CHANGE_SECONDS)
    checkout.stop(signal.SIGINT)
    checkout.start()
    checkout.wait_until(lambda: bulk.stored(stack, "receipts") is not None, 3 * CHANGE_SECONDS)
    receipt = bulk.stored(stack, "receipts")
    assert receipt is not None
    assert bulk.differences(stack, expected, receipt) == []
    checkout.stop(signal.SIGKILL)
