"""An invalid definition is reported in one sentence, with file and line, before anything starts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.demo.display import Display
from local.demo.run import EXIT_DRIFT, main, require_example
from local.deployment import check_definition as definition
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.processes import clean_environment
from local.deployment.template import pipeline_reference, template
from local.errors import InvalidDefinition, WrongDefinition
from pipeline.definition import flights, pipeline
from tailrace import Aggregate, Collection, Pipeline, Route, count, field
from tailrace.backfill.fingerprints.lock import MeaningLock
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
    "an exit": ("raise SystemExit(3)", "mine/definition.py, line 4: SystemExit: 3"),
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
    return {**template(), "Parameters": template()["Parameters"] | {"Pipeline": {"Default": reference}}}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_its_line(mistake: str, write: Callable[[str], dict[str, Any]]) -> None:
    text, expected = MISTAKES[mistake]
    with pytest.raises(InvalidDefinition, match=expected):
        load_checked_pipeline(write(BEGINNING + text))


def test_a_route_that_the_template_lacks_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deployment would fail; a local stack gets its routes from the definition, so only the check minds."""
    other = template()["Parameters"] | {"Routes": {"Default": "Disruptions,HotThings"}}
    monkeypatch.setattr(definition, "template", lambda: {**template(), "Parameters": other})
    assert definition.main(["--add"]) == 0
    assert definition.main() == 1
    told = capsys.readouterr().err
    assert "template.yaml, parameter Routes (docs/definition.md#routes)" in told
    assert told.endswith("names HotThings, not among the definition's routes: it must be Routes=Disruptions.\n")


def test_the_shipped_definition_is_valid() -> None:
    assert load_checked_pipeline() is pipeline
    assert definition.main() == 0


def test_the_lock_does_not_count_what_functions_keep_while_the_examples_run(
    write: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write(
        "from tailrace import *\nSEEN = []\ndef keep(item):\n    SEEN.append(1)\n    return item\n"
        "things = Collection('things', schema={}, transform=keep, examples=[{'id': 'a'}])\n"
        "pipeline = Pipeline([things])"
    )
    held: list[bool] = []

    def look(of: Pipeline) -> MeaningLock:
        held.append(bool(sys.modules["mine.definition"].SEEN))
        return MeaningLock.of(of)

    monkeypatch.setattr(definition, "present_meaning", look)
    load_checked_pipeline(written)
    assert held == [False]
    assert sys.modules["mine.definition"].SEEN


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


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", "mine.definition:things")


@pytest.mark.usefixtures("named")
def test_the_variable_names_the_pipeline_everywhere(write: Callable[[str], dict[str, Any]]) -> None:
    """Of the check, the lock, the stack and its watcher, which takes over the environment."""
    write(BEGINNING + "things = Pipeline([things])\npipeline = 1")
    assert load_checked_pipeline(template()).reference == "mine.definition:things"
    assert pipeline_reference() == "mine.definition:things"
    assert clean_environment()["TAILRACE_PIPELINE"] == "mine.definition:things"


@pytest.mark.usefixtures("named")
def test_the_demo_refuses_another_pipeline_by_its_name(
    write: Callable[[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    write(BEGINNING + "things = Pipeline([things])")
    assert main([], {"ONCE": "1"}) == EXIT_DRIFT
    assert (
        "feeds the example's flights, but mine.definition:things has no collection 'flights'" in capsys.readouterr().err
    )


@pytest.mark.parametrize("given", ["mine.definition", "mine/definition.py:pipeline", ":", "a b:c"])
def test_another_form_of_the_variable_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", given)
    with pytest.raises(InvalidDefinition, match="TAILRACE_PIPELINE must be module:attribute, such as pipeline.definit"):
        load_checked_pipeline()


def test_a_pipeline_that_a_deployment_would_lack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.orders:pipeline")
    with pytest.raises(InvalidDefinition, match="is in tests/pipelines/orders.py, which a deployment does not contain"):
        load_checked_pipeline()


def test_a_definition_that_fails_on_its_examples_is_refused(write: Callable[[str], dict[str, Any]]) -> None:
    text = """
orders = Collection("orders", schema={}, transform=dict, examples=[{"country": "DE"}])
pipeline = Pipeline([orders], [Aggregate("a", of=orders, by=[field("contry")], measures={"n": count()})])
"""
    with pytest.raises(InvalidDefinition, match=r"aggregate 'a': unknown field 'contry' \(did you mean 'country'"):
        load_checked_pipeline(write(BEGINNING + text))


def test_what_the_examples_do_not_tell_is_a_warning(write: Callable[[str], dict[str, Any]]) -> None:
    text = """
orders = Collection("orders", schema={}, transform=dict)
pipeline = Pipeline([orders], [Aggregate("a", of=orders, by=[field("contry")], measures={"n": count()})])
"""
    told: list[str] = []
    load_checked_pipeline(write(BEGINNING + text), told.append)
    assert told[0].startswith(
        "Warning: collection 'orders' has no examples, so fields that aggregates and predicates use were not"
    )


def test_make_check_leaves_the_style_of_the_pipeline_to_its_author() -> None:
    """Formatting, lint and types of what is theirs stopped it before."""
    root = Path(__file__).parents[4]
    shown = subprocess.run(["make", "--dry-run", "check"], cwd=root, capture_output=True, text=True, check=True).stdout
    for tool in ("ruff format", "ruff check", "mypy"):
        (line,) = (line.split() for line in shown.splitlines() if tool in line)
        assert "layers/tailrace/tailrace" in line
        assert not {".", "layers", "layers/tailrace", "layers/tailrace/pipeline"} & set(line)
