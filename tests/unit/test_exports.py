"""What a definition imports from ``tailrace``, and what importing the package alone does not load."""

import os
import subprocess
import sys

import pytest

import tailrace
from tests.sam_build import ROOT

_WITHOUT_DEFINITION = """
import sys
import tailrace.{module}
print(*[name for name in sys.modules if name.startswith(("tailrace.definition.schemas", "jsonschema_rs"))])
"""


_API_AT_ITS_START = """
import sys
import functions.api.app
from tailrace.definition.pipeline import load_pipeline
load_pipeline("pipeline.definition:pipeline")
print(*[name for name in {late} if name in sys.modules])
"""

_FOR_FEW_REQUESTS = (
    "tailrace.aws.aggregates.group_reader",
    "tailrace.aws.aggregates.window_reader",
    "tailrace.aws.items.batch_writer",
    "tailrace.encoding.key_overlaps",
    "tailrace.http.openapi.document",
)


def test_every_name_is_exported_once_and_can_be_imported() -> None:
    assert sorted(tailrace._MODULES) == sorted(tailrace.__all__)
    for name, module in tailrace._MODULES.items():
        assert getattr(tailrace, name) is getattr(sys.modules[module], name)
    assert set(tailrace.__all__) <= set(dir(tailrace))


def test_a_name_that_does_not_exist_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Agregate'"):
        exec("from tailrace import Agregate")  # noqa: S102 - the statement of a definition
    with pytest.raises(AttributeError, match="no attribute 'Agregate'"):
        _ = tailrace.Agregate


@pytest.mark.parametrize("module", ["aws.stages.archive", "aws.runtime.settings", "http.static_site"])
def test_functions_without_a_definition_do_not_load_its_modules(module: str) -> None:
    command = [sys.executable, "-c", _WITHOUT_DEFINITION.format(module=module)]
    loaded = subprocess.run(command, cwd=ROOT / "layers/tailrace", check=True, capture_output=True, text=True)
    assert not loaded.stdout.strip()


def test_api_does_not_start_with_what_few_requests_need() -> None:
    command = [sys.executable, "-c", _API_AT_ITS_START.format(late=_FOR_FEW_REQUESTS)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "layers/tailrace")])
    loaded = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert not loaded.stdout.strip()
