"""docs/api.md: its examples run, in their order, and its table of problems is the code's."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from functions.api import app
from tailrace.aws.backfill.control import ControlTable
from tailrace.backfill.fingerprints.lock import meanings
from tailrace.backfill.generations import created
from tailrace.definition.pipeline import load_pipeline
from tailrace.http.problems import PROBLEM_TYPES
from tests.api_client import send
from tests.unit.aws.conftest import Cloud

PAGE = (Path(__file__).parents[4] / "docs" / "api.md").read_text()
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([a-z-]+)` \| (\d{3}) \| (.*) \|$", re.MULTILINE)


def parts(block: str) -> tuple[str, dict[str, str], str]:
    """Return the first line, the headers and the body of a request or an answer."""
    head, _, body = block.partition("\n\n")
    first, *lines = head.strip().split("\n")
    return first, dict(line.split(": ", maxsplit=1) for line in lines), body.strip()


def same(shown: Any, found: Any) -> bool:
    """Compare what a page shows with what there is; an ellipsis stands for any text, or for the rest of a list."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return shown.keys() == found.keys() and all(same(shown[name], found[name]) for name in shown)
    if isinstance(shown, list) and isinstance(found, list):
        if shown[-1:] == ["…"]:
            return len(shown) - 1 <= len(found) and all(map(same, shown[:-1], found))
        return len(shown) == len(found) and all(map(same, shown, found))
    if isinstance(shown, str) and isinstance(found, str):
        return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), found, re.DOTALL) is not None
    return bool(shown == found)


@pytest.fixture
def _begins_now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the function begin with the first example, and no time pass: of what it counts, the first request is told."""
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    class Standing(datetime):
        @classmethod
        def now(cls, _zone: tzinfo | None = None) -> Any:
            return moment

    monkeypatch.setattr(app, "datetime", Standing)
    app.stage.cache_clear()
    yield
    app.stage.cache_clear()


@pytest.mark.usefixtures("_begins_now")
def test_the_examples_are_answered_as_the_page_says(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", "pipeline.definition:pipeline")
    generations = [created(name, version, of) for (name, version), of in meanings(load_pipeline()).items()]
    assert ControlTable(cloud.dynamodb, "aggregates").create(generations, since_creation=True)
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) > 8
    for asked, answered in zip(blocks[::2], blocks[1::2], strict=True):
        line, headers, body = parts(asked)
        method, address = line.split(" ")
        path, _, query = address.partition("?")
        given = {name.lower().replace("-", "_"): value for name, value in headers.items()}
        answer = send(method, path, body or None, query, **given)
        status, shown, text = parts(answered)
        assert answer["statusCode"] == int(status), (line, answer)
        assert all(same(value, answer["headers"].get(name)) for name, value in shown.items()), (line, answer)
        shown_body = json.loads(re.sub(r"^( *)…$", r'\1"…"', text, flags=re.MULTILINE)) if text else None
        assert shown_body is None or same(shown_body, json.loads(answer["body"])), (line, answer)
    assert cloud.items()


def test_the_page_lists_every_problem() -> None:
    shown = {(name, int(status), when) for name, status, when in ROW.findall(PAGE)}
    assert shown == {(kind.name, kind.status, kind.description) for kind in PROBLEM_TYPES.values()}
