"""What a build leaves out is told as the aggregate stage tells it: the alarms watch that stage."""

from decimal import Decimal
from typing import Any

import pytest

from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.job import Kind
from tailrace.encoding.tagged_json import loads
from tests.unit.aws.jobs.conftest import TABLES
from tests.unit.aws.jobs.steps.calm_player import Calm

UNCOUNTED = [{"page": "x", "ms": "slow"}]
TOO_LONG = [{"page": "x", "ms": Decimal("9" * 38)}, {"page": "x", "ms": Decimal("0.5")}]


@pytest.mark.parametrize(
    ("visits", "kind", "metric"),
    [
        (UNCOUNTED, "build", "ItemsNotCounted"),
        (TOO_LONG, "build", "RowsRefused"),
        (UNCOUNTED, "verify", None),  # it finds the same ones each time
        ([{"page": "x", "ms": 1}], "build", None),
    ],
)
def test_what_a_build_leaves_out_is_counted_for_the_alarms(
    visits: list[dict[str, Any]], kind: Kind, metric: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    player = Calm(1)
    world = player.world
    world.dies, world.busy = 0, 0
    write_first_control_rows(world.job_context(), TABLES)
    for number, visit in enumerate(visits):
        world.write(f"visits#{number}", visit)
    world.settle()
    if kind == "build":
        world.deploy("second")
    capsys.readouterr()
    assert player._job(kind, [("pages", 2 if kind == "build" else 1)]).job.state == "done"
    lines = [loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    counted = [one for one in lines if one["service"] == "aggregate"]
    found = [(name, one[name]) for one in counted for name in ("ItemsNotCounted", "RowsRefused") if name in one]
    assert found == ([] if metric is None else [(metric, [1])])
