"""Time zones are those of the locked package, and their rules are told apart by what their clocks show."""

import json
import os
import shutil
import subprocess
import sys
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tailrace.definition.times import zones
from tailrace.definition.times.zones import time_zone, zone_rules
from tailrace.errors import DefinitionError

LAYER = Path(__file__).parents[4] / "layers" / "tailrace"
LOCKED = zones.FOLDER
NEW_YORK = ("America", "New_York")

type Write = Callable[[bytes], str]


@pytest.fixture
def rules_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Return a way to read the rules of New York from a file with other content."""

    def write(data: bytes) -> str:
        path = tmp_path.joinpath(*NEW_YORK)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        zone_rules.cache_clear()
        return zone_rules("/".join(NEW_YORK))

    with monkeypatch.context() as patch:
        patch.setattr(zones, "FOLDER", tmp_path)
        yield write
    zone_rules.cache_clear()


def content(*zone: str) -> bytes:
    return LOCKED.joinpath(*zone).read_bytes()


def test_a_zone_under_another_name_has_the_same_rules() -> None:
    assert zone_rules("US/Eastern") == zone_rules("America/New_York")
    assert len({zone_rules(name) for name in ("America/New_York", "America/Toronto", "Europe/Berlin", "UTC")}) == 4


def test_every_zone_has_rules() -> None:
    assert all(len(zone_rules(name)) == 16 for name in zoneinfo.available_timezones())


def test_the_names_of_offsets_do_not_count(rules_of: Write) -> None:
    renamed = content(*NEW_YORK).replace(b"EST", b"XST").replace(b"EDT", b"XDT")
    assert renamed != content(*NEW_YORK)
    assert rules_of(renamed) == rules_of(content(*NEW_YORK))


def test_the_file_of_another_zone_has_its_rules(rules_of: Write) -> None:
    assert (
        rules_of(content("Europe", "Berlin")) == rules_of(content("Europe", "Berlin")) != rules_of(content(*NEW_YORK))
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"M11.1.0", b"M11.2.0"),  # summer time ends a week later from now on
        (b"EST5EDT", b"EST6EDT"),
        ((1_173_596_400).to_bytes(8), (1_173_600_000).to_bytes(8)),  # an hour later, in 2007
        ((-17_762).to_bytes(4, signed=True), (-17_700).to_bytes(4, signed=True)),  # the town's solar time, until 1883
    ],
)
def test_every_change_of_a_rule_counts(rules_of: Write, old: bytes, new: bytes) -> None:
    data = content(*NEW_YORK)
    assert old in data
    assert rules_of(data.replace(old, new)) != rules_of(data)


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "Europe", "../zones", "/etc/localtime", "zone.tab", "\0"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(DefinitionError, match="unknown time zone"):
        time_zone(name)


def test_a_zone_that_only_the_machine_has_is_an_error() -> None:
    with pytest.raises(DefinitionError, match="unknown time zone 'posix/Europe/Berlin'"):
        zone_rules("posix/Europe/Berlin")


SHOWN = """
import json
from zoneinfo import ZoneInfo
from tailrace import hour
group = hour("at", tz="America/New_York")
label = group.value({"at": "2026-07-01T12:00:00Z"})
mine = ZoneInfo("America/New_York")  # as a transform might use
print(json.dumps([label, group.start(label).astimezone(mine).isoformat()]))
"""


def test_what_the_machine_says_of_a_zone_does_not_matter(tmp_path: Path) -> None:
    """A machine whose New York lies in Berlin."""
    path = tmp_path.joinpath(*NEW_YORK)
    path.parent.mkdir()
    shutil.copy(LOCKED / "Europe" / "Berlin", path)
    shown = [
        subprocess.run(
            [sys.executable, "-c", SHOWN],
            env={"PYTHONPATH": os.pathsep.join([str(LAYER), *sys.path])} | variables,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for variables in ({}, {"PYTHONTZPATH": str(tmp_path)})
    ]
    assert shown[0] == shown[1]
    assert json.loads(shown[0]) == ["2026-07-01T08:00-04:00", "2026-07-01T08:00:00-04:00"]
