"""What `tailrace test` prints of a trial, and of a definition that cannot be imported; how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.__main__ import main


def test_a_pipeline_without_collections_has_nothing_to_try(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty_definition.py").write_text("from tailrace import *\npipeline = Pipeline([])", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["test", "--pipeline", "empty_definition:pipeline"]) == 0
    assert capsys.readouterr().out == "empty_definition:pipeline has no collections, so there is nothing to try.\n"


def test_the_command_prints_a_report_and_fails(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The report alone goes to standard output, whatever the definition prints."""
    reference = written("print('imported')\ndef where(order): return print('tried') or order['placed'] > ''")
    arguments = ["test", "--pipeline", reference, "--items", "100", "--seconds", "20"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "BROKEN  where= of measure 'n' of aggregate 'shops', where (mine/definition.py:" in printed
    assert "KeyError: 'placed'" in printed
    assert '{"shop":"","amount":0}' in printed
    assert main([*arguments, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["collections"][0]["problems"][0]["law"] in ("fails", "uncounted")
    assert main(["test", "--pipeline", "mine.nowhere:pipeline"]) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("int('x')", "line 19: ValueError: invalid literal"),
        ("os.nothing", "line 19: AttributeError: module 'os' has no attribute 'nothing'"),
        ("import nowhere", "line 19: ModuleNotFoundError: No module named 'nowhere'"),
        ("from os import nothing", "line 19: ImportError: cannot import name 'nothing'"),
        ("field('')", "line 19: "),
        ("raise SystemExit(3)", "line 19: SystemExit: 3"),
    ],
)
def test_an_error_on_import_is_told_with_its_line(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    assert main(["test", "--pipeline", written(text)]) == 1
    assert f"mine/definition.py, {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("foo:bar", "there is no pipeline 'foo:bar': No module named 'foo'"),
        ("mine.foo:bar", "there is no pipeline 'mine.foo:bar': No module named 'mine.foo'"),
        ("mine.definition:bar", "there is no pipeline 'mine.definition:bar': module 'mine.definition' has no attr"),
        ("mine.definition:orders", "'mine.definition:orders' is a Collection, not a Pipeline"),
        ("mine", "a pipeline must be module:attribute, such as pipeline.definition:pipeline, not 'mine'"),
    ],
)
def test_a_wrong_name_of_a_pipeline_is_status_2(
    written: Callable[[str], str], capsys: pytest.CaptureFixture[str], reference: str, told: str
) -> None:
    written("")
    assert main(["test", "--pipeline", reference]) == 2
    assert capsys.readouterr().err.startswith(f"tailrace: {told}")
