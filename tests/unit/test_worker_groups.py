"""The groups of tests that workers take as one name files that are there, and keep together what has to be."""

from collections import OrderedDict
from unittest.mock import Mock

import pytest

from tests.architecture.stack import ROOT
from tests.worker_groups import APART, STACKS, TABLES, Grouped, group_of, rank


@pytest.mark.parametrize("member", [*(member for members in STACKS.values() for member in members), *TABLES, *APART])
def test_what_a_group_names_is_there(member: str) -> None:
    path = ROOT / member
    assert path.is_dir() if member.endswith("/") else path.is_file()


def test_what_writes_the_same_file_or_shares_a_stack_stays_together() -> None:
    together = [
        ("tests/stack/test_demo.py::a", "tests/stack/test_lifecycle.py::b"),
        ("tests/stack/test_openapi.py::a", "tests/stack/test_writers.py::b[1/2]"),
        ("tests/storage/reading/test_forms.py::a", "tests/browser/test_numbers.py::b"),
        ("tests/unit/encoding/test_keys.py::a", "tests/unit/encoding/test_keys.py::b[x::y]"),
    ]
    assert all(group_of(one) == group_of(other) for one, other in together)
    assert group_of("tests/simulation/test_growth.py::a") != group_of("tests/simulation/test_growth.py::b")
    assert group_of("tests/stack/checkouts/test_kept.py::a") != group_of("tests/stack/test_openapi.py::a")
    ordered = [
        "stack/test_openapi.py::a",
        "stack/test_demo.py::a",
        "storage/a.py::b",
        "simulation/a.py::b",
        "unit/a.py::b",
    ]
    assert sorted(ordered, key=lambda test: rank(f"tests/{test}")) == ordered
    assert len({rank(f"tests/{test}") for test in ordered}) == len(ordered)


def test_two_workers_have_no_stack_as_long_as_there_are_other_tests() -> None:
    scheduler = Grouped.__new__(Grouped)
    names = ["chaos", "sam_local", "stack", "tests/unit/a.py", "tests/unit/b.py", "tests/unit/c.py"]
    nodes = [Mock(), Mock(), Mock(), Mock()]
    scheduler.workqueue = OrderedDict((name, {f"{name}::test": False}) for name in names)
    scheduler.registered_collections = {node: [f"{name}::test" for name in names] for node in nodes}
    scheduler.assigned_work = {node: {} for node in nodes}
    for node in nodes:
        scheduler._assign_work_unit(node)
    given = [["chaos"], ["sam_local"], ["tests/unit/a.py"], ["tests/unit/b.py"]]
    assert [[*units] for units in scheduler.assigned_work.values()] == given
    scheduler.assigned_work[nodes[0]]["chaos"]["chaos::test"] = True
    scheduler._assign_work_unit(nodes[2])
    assert [*scheduler.assigned_work[nodes[2]]] == ["tests/unit/a.py", "stack"]
    scheduler._assign_work_unit(nodes[0])
    assert [*scheduler.assigned_work[nodes[0]]] == ["chaos", "tests/unit/c.py"]
