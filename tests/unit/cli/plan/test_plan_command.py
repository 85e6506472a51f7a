"""`tailrace plan`: its output, its options and its errors."""

import json
import os
import re
import subprocess
import sys
from copy import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.__main__ import main
from cli.errors import CommandError
from cli.plan import command
from cli.plan.limits import Limit
from cli.plan.profile import RowClass
from cli.plan.report import Report, Timing
from cli.plan.sampling.assembly import Sampled
from cli.plan.sources import PRICES, read_figures, read_prices
from cli.plan.text import lines
from tests.unit.cli.plan.profiles import PROFILE, SHOPS, hot


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A definition of one's own, and a sample of its items."""
    (tmp_path / "planned").mkdir()
    (tmp_path / "planned" / "__init__.py").touch()
    (tmp_path / "planned" / "definition.py").write_text(
        """
from tailrace import *
orders = Collection("orders", schema={"type": "object", "required": ["shop"]})
measures = {"n": count(), "p95": quantile("amount", 0.95), "customers": distinct("customer")}
pipeline = Pipeline([orders], [Aggregate("shops", of=orders, by=[field("shop")], measures=measures)])
""",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TAILRACE_PIPELINE", "planned.definition:pipeline")
    path = tmp_path / "orders.jsonl"
    lines = ({"id": str(n), "shop": f"s{n % 5}", "amount": n % 50, "customer": f"c{n % 300}"} for n in range(1_000))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_people_get_rows_limits_dollars_and_advice(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--sample", sample]) == 0
    text = capsys.readouterr().out
    for part in (
        "Plan for planned.definition:pipeline, collection 'orders'",
        "1,000 inserts, 0 updates, 0 deletions",
        "Note: The sample has only 1,000 changes",
        "rows written per 1,000 changes",
        "shops: p95: value rows, 10 per row, with nodes",
        "shops: customers: value rows, 60 per row, counted",
        "$ per month, total",
        "is reached first",
        "AggregateWindowSeconds=",
        f"list prices of us-east-1, {read_prices().checked}",
        "handler, CPU time per change, batch of 1,000",
    ):
        assert part in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("Sample: ")) <= 130  # a path is long


def test_programs_get_json(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--sample", sample, "--json", "--rate", "500", "50", "--window", "7", "--shards", "2"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["rate"] for one in found["rates"]] == [50, 500]
    assert found["rates"][1]["shards"] == 2
    assert found["rates"][1]["window_s"] == 7
    assert found["rates"][1]["batch"] == found["rates"][1]["folded"] == 1_750
    assert found["rates"][1]["write_behind_s"] == 0
    assert [one["write_behind_s"] for one in found["rates"][1]["write_behinds"]] == [60, 300, 900]
    assert found["sample"]["changes"] == 1_000
    total = found["rates"][0]["dollars_a_month"].pop("total")
    assert total == pytest.approx(sum(found["rates"][0]["dollars_a_month"].values()))
    p95 = next(one for one in found["measures"] if one["measures"] == ["p95"])
    assert p95["writes"] > 0
    assert p95["read_units"] > 0
    assert all(one["source"] for one in found["limits_met_at"])


def printed(timing: Timing, *rates: float, **changed: Any) -> str:
    """Return the plan of ten rows that every batch writes, in one busy shard."""
    touched = {SHOPS: (10_000, 10_000, 1_000, 500, 200, 100, 50, 20, 10)}
    found = Sampled(
        "orders", "orders.jsonl", False, replace(PROFILE, **{"touched": touched} | changed), (10_000, 0, 0), ()
    )
    return "\n".join(lines(Report.of("mine:pipeline", found, rates or [5_000], timing, read_figures(), read_prices())))


def test_limits_are_told_in_the_order_in_which_they_are_met() -> None:
    """At a high rate, the marks of thousands of shards use more of a later limit than of the first one."""
    busy = RowClass("shops", "row", 1_000)
    text = printed(Timing(), 10_000_000, touched={busy: PROFILE.touched[SHOPS]}, growth=1)
    pattern = re.compile(
        r"^10,000,000/s: items table is reached first: 250 times its value; then (.*?)\.\n", re.MULTILINE | re.DOTALL
    )
    told = pattern.search(text)
    assert told is not None
    found = ["items table", *" ".join(told[1].split()).split(", ")]
    assert len(found) > 3
    places = [text.index(f"\n{name}: ") for name in found]
    assert places == sorted(places)


def test_dollars_of_rows_that_no_table_holds_are_marked() -> None:
    busy = {"hot_rows": [hot(0.01, 1_000)], "growth": 1}
    text = printed(Timing(), 1_000, 10_000_000, **busy)
    assert re.search(r"^\$ per month, total +[0-9,.]+ +[0-9,.]+ \*$", text, re.MULTILINE)
    told = r"\n\* cannot be reached: a row would be larger than the 409,600 bytes .*shops@1#north"
    assert re.search(told, text, re.DOTALL)
    assert "*" not in printed(Timing(), 1_000, **busy)


@pytest.mark.parametrize(("rate", "shown"), [(0.2, "0.2"), (3.5, "3.5"), (1_234.5, "1,234.5"), (1e7, "10,000,000")])
def test_a_rate_is_shown_as_it_was_given(rate: float, shown: str) -> None:
    text = printed(Timing(), rate)
    assert re.search(rf"^changes per second +{shown}$", text, re.MULTILINE)
    assert f"\n{shown}/s: AggregateWindowSeconds=" in text
    assert f"Costs per item, at {shown} changes per second" in text


def test_write_behind_is_advised_for_rows_that_may_be_old() -> None:
    text = printed(Timing(freshness_s=62, shards=1))  # two of them for the window, which fills a batch
    assert "WriteBehindSeconds=60: 0.200 write units per 1,000 changes instead of 1.67; rows cost $" in text
    assert re.search(r"^write-behind of 900 s +0\.1", text, re.MULTILINE)
    text = printed(Timing(freshness_s=62, shards=1, write_behind_s=60))
    assert "WriteBehindSeconds=60: " not in text
    assert re.search(r"^write-behind \(WriteBehindSeconds\) +60 s$", text, re.MULTILINE)
    assert re.search(r"^changes folded before they are written +300,000$", text, re.MULTILINE)
    assert re.search(r"^2 s +1\.67 ", text, re.MULTILINE)  # what windows do without it
    text = printed(Timing(freshness_s=62, window_s=1, shards=1))  # both that are advised are no longer together
    assert "5,000/s: AggregateWindowSeconds=2\n    together with WriteBehindSeconds=60, which saves more" in text


def test_write_behind_of_a_stack_can_be_left_out(
    sample: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = SimpleNamespace(parameters={"Pipeline": "planned.definition:pipeline", "WriteBehindSeconds": "45"})
    monkeypatch.setattr(command, "find_stack", lambda *_names: stack)
    assert main(["plan", "--stack", "mine", "--sample", sample, "--json", "--write-behind", "0"]) == 0
    assert {one["write_behind_s"] for one in json.loads(capsys.readouterr().out)["rates"]} == {0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "0"], "positive number"),
        (["--rate", "many"], "positive number"),
        (["--updates", "1.5"], "share from 0 to 0.95"),
        (["--updates", "nan"], "share from 0 to 0.95"),
        (["--window", "301"], "1 to 300 seconds"),
        (["--freshness", "0"], "positive whole number"),
        (["--write-behind", "901"], "0 to 900 seconds"),
        (["--shards", "-1"], "positive whole number"),
    ],
)
def test_invalid_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["plan", *arguments])
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--updates", "0.6", "--deletes", "0.6"], "at most 0.95 together"),
        (["--deletes", "0.6"], "--deletes is at most 0.5, half of the changes that are not updates"),
        (["--updates", "0.3", "--deletes", "0.36"], "--deletes is at most 0.35"),
        (["--collection", "nothing"], "there is no collection 'nothing'"),
        (["--sample", "missing.jsonl"], "missing.jsonl: No such file"),
        (["--sample", "."], "unknown file type"),
        (["--pipeline", "no.such:pipeline"], "no.such"),
    ],
)
def test_what_cannot_be_planned(
    sample: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.json", b'[{"id": "1"', "the file ends in the middle of its JSON"),
        ("utf16.jsonl", '{"id": "1"}'.encode("utf-16"), "the file is not UTF-8"),
        ("twice.csv", b"id,shop,shop\n1,a,b\n", "the column 'shop' occurs twice"),
        ("plain.jsonl.gz", b"{}", "not compressed"),
        ("empty.jsonl", b"", "has no valid item to count"),
    ],
)
@pytest.mark.usefixtures("sample")
def test_a_sample_that_cannot_be_used_is_no_invalid_argument(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """docs/scaling.md: exit status 1 if the sample cannot be used."""
    (tmp_path / name).write_bytes(content)
    assert main(["plan", "--sample", str(tmp_path / name)]) == 1
    assert message in capsys.readouterr().err


def test_a_stack_names_pipeline_and_window(
    sample: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The window is the deployed one, and the pipeline counts before the environment's."""
    parameters = {"Pipeline": "planned.definition:pipeline", "AggregateWindowSeconds": "17", "WriteBehindSeconds": "45"}
    asked: list[Any] = []

    def find_stack(*names: Any) -> SimpleNamespace:
        asked.append(names)
        return SimpleNamespace(parameters=parameters)

    monkeypatch.setattr(command, "find_stack", find_stack)
    monkeypatch.setenv("TAILRACE_PIPELINE", "no.such:pipeline")
    assert main(["plan", "--stack", "mine", "--region", "eu-west-1", "--sample", sample, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert asked == [("mine", "eu-west-1", None, None)]
    assert found["pipeline"] == "planned.definition:pipeline"
    assert {one["window_s"] for one in found["rates"]} == {17}
    assert {one["write_behind_s"] for one in found["rates"]} == {45}


def test_another_stack_has_no_plan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan would be that of the default pipeline, with the stack's name on the command line."""
    monkeypatch.setattr(command, "find_stack", lambda *_names: SimpleNamespace(parameters={"Other": "x"}))
    assert main(["plan", "--stack", "theirs"]) == 1
    assert "The stack 'theirs' has no parameter Pipeline: it is not a Tailrace stack." in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(sample: str) -> None:
    root = Path(__file__).parents[4]
    path = os.pathsep.join([str(root), str(root / "layers" / "tailrace"), str(Path(sample).parent)])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", "plan", "--sample", sample],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert not process.stderr.read()
    assert process.returncode == 1


def test_missing_figures_are_named(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text('{"parts": {}}', encoding="utf-8")
    with pytest.raises(CommandError, match=r"no figure 'handler.*make bench PARTS=a"):
        read_figures(path)
    with pytest.raises(CommandError, match="cannot be read"):
        read_figures(tmp_path / "none.json")


def test_prices_and_limits_name_their_sources() -> None:
    listed = json.loads(PRICES.read_text(encoding="utf-8"))
    assert listed["checked"] >= "2026-11-23"
    assert all(one["source"].startswith("https://aws.amazon.com/") for one in listed["prices"].values())
    from cli.plan import limits  # noqa: PLC0415 - its constants are looked through

    found = [one for one in vars(limits).values() if isinstance(one, Limit)]
    assert len(found) > 10
    assert all(one.source.startswith(("https://docs.aws.amazon.com/", "docs/")) for one in found)
