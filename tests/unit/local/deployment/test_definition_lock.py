"""A meaning that changes under the same version is refused; what changes no worth is not."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from local.deployment import check_definition, definition_lock
from local.deployment.definition_lock import check_lock, write_lock
from local.deployment.template import pipeline_reference
from local.errors import InvalidDefinition, MeaningChanged
from pipeline.definition import pipeline
from tailrace.backfill.fingerprints.lock import MeaningLock, lock_path, meanings
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tests.unit.local.deployment.pipeline_checkout import LAYER, NAME, Checkout, Edit


def test_the_lock_of_this_repository_is_true() -> None:
    path = lock_path(pipeline_reference())
    assert path == LAYER / "pipeline" / NAME
    locked, present = MeaningLock.parse(path.read_text()), MeaningLock.of(pipeline)
    assert locked == locked.completed(present)
    assert {entry: values[0] for entry, values in locked.aggregates.items()} == {
        entry: value for entry, (value,) in present.aggregates.items()
    }
    assert path.read_text() == locked.text()


def test_generations_of_the_first_release_are_not_interrupted() -> None:
    """Until 0.1.0, a fingerprint depended on the release of Python; these are what its lock said."""
    assert meanings(load_pipeline(pipeline_reference())) == {
        ("carrier_hours", 1): "c1ecffa8fe0d4e16e56533a3f1e70900",
        ("origin_days", 1): "3b93db8d4cccf735e9e09d239ce4b71e",
        ("route_months", 1): "1307ad8de5e29ae0ea864cb37ccb809b",
    }


ALL = ["carrier_hours@1", "origin_days@1", "route_months@1"]
CHANGES: dict[str, tuple[Edit, list[str]]] = {
    "a transform": (("transforms.py", "{item['origin']}-{item['dest']}", "{item['dest']}-{item['origin']}"), ALL),
    "a table of the transform": (("transforms.py", '"arrival_delay",\n', '"delay_on_arrival",\n'), ALL),
    "a where": (("transforms.py", '("departed", "landed")', '("departed",)'), ALL),
    "a where of one": (("transforms.py", '["status"] == "landed"', '["status"] != "landed"'), ALL[2:]),
    "a measure": (("definition.py", 'total("distance"', 'total("air_time"'), ALL[2:]),
    "a group": (("definition.py", 'day("scheduled_departure"', 'month("scheduled_departure"'), ALL[1:2]),
    "a time zone": (("definition.py", '"America/New_York"', '"America/Chicago"'), ALL),
    "a schema": (("schemas/flight.schema.json", '"type": "object"', '"type": "object", "minProperties": 1'), ALL),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_meaning_under_the_same_version_is_refused(checkout: Checkout, change: str) -> None:
    edit, expected = CHANGES[change]
    before, text = checkout.lock.read_text(), (checkout.folder / edit[0]).read_text()
    checkout.edit(*edit)
    for add in (False, True):
        with pytest.raises(MeaningChanged) as raised:
            checkout.run(check_lock, add=add)
        sentence = str(raised.value)
        assert sentence.startswith(f"The meaning of {', '.join(expected)} has changed under the same version")
        assert "raise version=" in sentence
        assert "make definition-lock" in sentence
        assert checkout.lock.read_text() == before
    assert ("schema, transform or on_expiry of flights" in sentence) is (change in [*list(CHANGES)[:2], "a schema"])
    checkout.run(write_lock)  # the user accepts it
    assert ", ".join(expected) in checkout.said[0]
    checkout.run(check_lock, add=False)
    earlier, now = MeaningLock.parse(before), MeaningLock.parse(checkout.lock.read_text())
    assert [entry for entry in ALL if now.aggregates[entry] != earlier.aggregates[entry]] == expected
    for entry in expected:
        assert now.aggregates[entry][1:] == earlier.aggregates[entry]  # rows that were counted then are the same
    loaded = sys.modules["pipeline.definition"].pipeline
    assert {
        f"{name}@{version}": (meaning,) for (name, version), meaning in meanings(loaded).items()
    } == earlier.aggregates
    assert MeaningLock.of(loaded).aggregates != earlier.aggregates
    (checkout.folder / edit[0]).write_text(text)  # and back
    checkout.run(check_lock, add=True)
    assert MeaningLock.parse(checkout.lock.read_text()).aggregates == now.aggregates


def test_a_helper_in_another_module_belongs_to_the_meaning(checkout: Checkout) -> None:
    (checkout.folder / "names.py").write_text('def route(item):\n    return f"{item["origin"]}-{item["dest"]}"\n')
    checkout.edit("transforms.py", "from typing import Any\n", "from typing import Any\n\nfrom pipeline import names\n")
    checkout.edit("transforms.py", "f\"{item['origin']}-{item['dest']}\"", "names.route(item)")
    checkout.run(write_lock)
    checkout.edit("names.py", '"]}-{', '"]}/{')
    with pytest.raises(MeaningChanged, match="carrier_hours@1"):
        checkout.run(check_lock, add=True)


@pytest.mark.parametrize(
    "edit",
    [
        ("transforms.py", "    flight = {_RENAMED", "    # a comment\n\n    flight = {_RENAMED"),
        ("transforms.py", '    """Tell whether the flight was cancelled."""\n', ""),
        ("transforms.py", 'flight.get("departure_delay", 0), ', "flight.get('departure_delay',0) , "),
        ("transforms.py", "LATE_MINUTES = 120", "LATE_MINUTES = 180"),  # only a route needs it
        ("definition.py", "Flights of any kind.", "All flights."),
        ("definition.py", '"origin_days",\n', '"origin_days",  # by day\n'),
    ],
)
def test_what_changes_no_worth_is_accepted(checkout: Checkout, edit: Edit) -> None:
    checkout.edit(*edit)
    checkout.run(check_lock, add=False)
    assert checkout.said == []


def test_a_new_version_and_a_new_aggregate_are_added_at_a_start(checkout: Checkout) -> None:
    locked = MeaningLock.parse(checkout.lock.read_text())
    checkout.edit("definition.py", '"origin_days",\n', '"origin_days",\n            version=2,\n')
    checkout.edit("definition.py", '"route_months",\n', '"months",\n')
    with pytest.raises(MeaningChanged, match=r"out of date \(months@1, origin_days@2\): run `make definition-lock`"):
        checkout.run(check_lock, add=False)
    checkout.run(check_lock, add=True)
    assert checkout.said == [f"Locked the meaning of months@1, origin_days@2 in pipeline/{NAME}: commit the file."]
    now = MeaningLock.parse(checkout.lock.read_text())
    assert list(now.aggregates) == ["carrier_hours@1", "months@1", "origin_days@1", "origin_days@2"]
    assert now.aggregates["origin_days@1"] == locked.aggregates["origin_days@1"]
    checkout.run(check_lock, add=False)


def test_an_earlier_version_does_not_come_back_with_another_meaning(checkout: Checkout) -> None:
    checkout.edit("definition.py", '"origin_days",\n', '"origin_days",\n            version=2,\n')
    checkout.run(check_lock, add=True)
    checkout.edit("definition.py", "version=2", "version=1")
    checkout.edit("definition.py", 'day("scheduled_departure"', 'month("scheduled_departure"')
    with pytest.raises(MeaningChanged, match=r"of origin_days@1 has changed"):
        checkout.run(check_lock, add=True)


def test_a_raised_version_of_every_aggregate_accepts_another_transform(checkout: Checkout) -> None:
    checkout.edit("transforms.py", "{item['origin']}-{item['dest']}", "{item['dest']}-{item['origin']}")
    for name in ("carrier_hours", "origin_days", "route_months"):
        checkout.edit("definition.py", f'"{name}",\n', f'"{name}",\n            version=2,\n')
    checkout.run(check_lock, add=True)
    checkout.run(check_lock, add=False)


def test_make_check_compares_the_lock(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, add: bool) -> None:
        raise MeaningChanged(f"changed, add={add}")

    monkeypatch.setattr(check_definition, "check_lock", refuse)
    assert [check_definition.main([]), check_definition.main(["--add"])] == [1, 1]
    assert capsys.readouterr().err == "changed, add=False\nchanged, add=True\n"


def test_make_has_the_target() -> None:
    said = subprocess.run(
        ["make", "-n", "definition-lock"], cwd=LAYER.parents[1], capture_output=True, text=True, check=True
    )
    assert "-m local.deployment.check_definition --lock" in said.stdout


@pytest.mark.parametrize("command", [check_lock, write_lock])
def test_a_meaning_that_differs_from_process_to_process_is_refused(
    checkout: Checkout, command: Callable[..., None]
) -> None:
    codes = "{code: 1 for code in {'UA', 'AA', 'DL', 'B6', 'EV', 'MQ', 'US', 'WN'}}"
    checkout.edit("transforms.py", "LATE_MINUTES = 120\n", f"LATE_MINUTES = 120\nCODES = {codes}\n")
    checkout.edit("transforms.py", '    flight["route"]', '    flight["codes"] = "".join(CODES)\n    flight["route"]')
    with pytest.raises(InvalidDefinition, match=r"of flights, carrier_hours@1, .* differs from process to process"):
        checkout.run(command, **({"add": True} if command is check_lock else {}))
    assert checkout.said == []


def test_what_a_function_has_changed_meanwhile_is_no_difference_between_processes(checkout: Checkout) -> None:
    checkout.edit("transforms.py", "LATE_MINUTES = 120\n", "LATE_MINUTES = 120\nSEEN = {}\n")
    checkout.edit("transforms.py", '    flight["route"]', '    SEEN[len(SEEN)] = flight\n    flight["route"]')

    def check_after_examples(pipeline: Pipeline, reference: str, report: Callable[[str], None]) -> None:
        present = definition_lock.present_meaning(pipeline)
        transform = pipeline.collections[0].transform
        assert transform is not None
        transform({"scheduled_departure": "2013-01-01T05:00:00-05:00", "origin": "EWR", "dest": "IAH"})
        check_lock(pipeline, reference, report, present, add=False)

    with pytest.raises(MeaningChanged, match="has changed under the same version"):
        checkout.run(check_after_examples)
