"""The commands of docs/scaling.md run, and print what the page shows."""

import json
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from benchmarks.changes import records
from cli.__main__ import main
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import dumps

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith(".venv/bin/tailrace plan")
]
[SHOWN] = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("scaling")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # the page shows what the first prints of all changes
        for command, changes in zip(COMMANDS, (None, 3_000, 3_000), strict=True):
            (folder / "flights.jsonl").write_text("".join(map(_line, records()[:changes])), encoding="utf-8")
            _, *arguments = shlex.split(command)
            with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
                assert main(arguments) == 0
            assert not errors.getvalue()
            found[command] = output.getvalue()
    return found


def _line(record: dict[str, Any]) -> str:
    item = decode_item(record["dynamodb"]["NewImage"])
    return dumps({"id": item.pop("pk").partition("#")[2]} | item) + "\n"


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 3


def test_the_first_command_prints_what_the_page_shows(outputs: dict[str, str]) -> None:
    printed = {" ".join(line.split()) for line in outputs[COMMANDS[0]].splitlines()}
    shown = [" ".join(line.split()) for line in SHOWN.splitlines() if line]
    assert len(shown) > 10
    assert [line for line in shown if line not in printed] == []


def test_the_other_commands_plan_for_their_rates_and_shares(outputs: dict[str, str]) -> None:
    assert "5,000/s: AggregateWindowSeconds=" in outputs[COMMANDS[1]]
    found = json.loads(outputs[COMMANDS[2]])
    sample = found["sample"]
    assert sample["deletes"] / sample["changes"] == pytest.approx(0.1, abs=0.02)
    assert [one["rate"] for one in found["rates"]] == [1_000, 100_000, 10_000_000]
