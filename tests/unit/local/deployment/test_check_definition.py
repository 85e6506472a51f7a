"""An invalid definition is reported in one sentence, with file and line, before anything starts."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.demo.display import Display
from local.demo.run import EXIT_DRIFT, main, require_example
from local.deployment import check_definition as definition
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.template import template
from local.errors import InvalidDefinition, WrongDefinition
from pipeline.definition import flights, pipeline
from tailrace import Aggregate, Collection, Pipeline, Route, count, field
from tailrace.definition.pipeline import load_pipeline

BEGINNING = """from tailrace import *

things = Collection("things", schema={"properties": {"a": {}}, "additionalProperties": False})
"""
MISTAKES = {
    "an unknown field": (
        "a = Aggregate('all', of=things, by=[field('b')], measures={'n': count()})",
        "mine/definition.py, line 4: aggregate 'all': unknown field 'b'; 'things' has a",
    ),
    "an unknown time zone": (
        "hour('a', tz='Europe/Nowhere')",
        "mine/definition.py, line 4: unknown time zone 'Europe/Nowhere'",
    ),
    "a wrong argument": ("field('a', naem='b')", "mine/definition.py, line 4: TypeError: "),
    "an undefined name": ("fields('a')", "mine/definition.py, line 4: NameError: "),
    "a syntax error": ("field('a'", "SyntaxError: .*definition.py, line 4"),
    "a missing module": ("import nowhere", "mine/definition.py, line 4: .*No module named 'nowhere'"),
    "no pipeline": ("pipe = 1", "has no attribute 'pipeline'"),
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Write a definition into a folder that replaces the layer; return a template that names it."""
    monkeypatch.setattr(definition, "ROOT", tmp_path)
    monkeypatch.setattr(definition, "LAYER", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(text: str) -> dict[str, Any]:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "definition.py").write_text(text, encoding="utf-8")
        return naming("mine.definition:pipeline")

    yield written
    for name in ("mine", "mine.definition"):
        sys.modules.pop(name, None)
    load_pipeline.cache_clear()


def naming(reference: str) -> dict[str, Any]:
    return {**template(), "Parameters": {"Pipeline": {"Default": reference}}}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_its_line(mistake: str, write: Callable[[str], dict[str, Any]]) -> None:
    text, expected = MISTAKES[mistake]
    with pytest.raises(InvalidDefinition, match=expected):
        load_checked_pipeline(write(BEGINNING + text))


def test_a_route_without_a_queue_is_reported(write: Callable[[str], dict[str, Any]]) -> None:
    """Without these variables, fanout would fail on every change, and the API's health check as well."""
    route = "pipeline = Pipeline([things], routes=[Route('hot-things', of=things, when=bool)])"
    given = write(BEGINNING + route)
    expected = (
        r"FanoutFunction has no HOT_THINGS_QUEUE, ApiFunction has no HOT_THINGS_QUEUE, "
        r"ApiFunction has no HOT_THINGS_DEAD_LETTER_QUEUE\."
    )
    with pytest.raises(InvalidDefinition, match=expected):
        load_checked_pipeline(given)


def test_the_shipped_definition_is_valid() -> None:
    assert load_checked_pipeline() is pipeline
    assert definition.main() == 0


def test_the_demo_and_the_check_report_the_same_error_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(definition, "template", lambda: naming("tests.pipelines.nowhere:pipeline"))
    assert definition.main() == 1
    assert main([], {"ONCE": "1"}) == EXIT_DRIFT
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == printed[1]
    assert "No module named 'tests.pipelines.nowhere'" in printed[0]


def test_the_demo_refers_users_with_other_items_to_make_stack() -> None:
    """Otherwise its flights would be rejected one by one, which would look like a fault of the stack."""
    things = Collection("things", schema={})
    with pytest.raises(WrongDefinition, match="no collection 'flights', no aggregate 'carrier_hours'.*`make stack`"):
        require_example(Pipeline([things], routes=[Route("disruptions", of=things, when=bool)]), Display())


def test_the_demo_reports_unchecked_parts_of_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    mine = Aggregate("mine", of=flights, by=[field("dest")], measures={"n": count()})
    wider = Pipeline(pipeline.collections, [*pipeline.aggregates, mine], pipeline.routes)
    assert require_example(wider, Display()) is wider
    assert "the recompute does not cover them: mine" in capsys.readouterr().out
    assert require_example(pipeline, Display()) is pipeline
    assert capsys.readouterr().out == ""
