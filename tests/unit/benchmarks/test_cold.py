"""The measured starts get an environment that every function accepts."""

from importlib import import_module
from typing import Any, get_type_hints

import pytest

from benchmarks.cold import STAGES, Environment


@pytest.mark.parametrize("stage", STAGES)
def test_every_function_is_assembled_in_the_measured_environment(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    module: Any = import_module(f"functions.{stage}.app")
    assemble = module.site if hasattr(module, "site") else module.stage
    settings, *_ = get_type_hints(assemble.__wrapped__).values()
    assert assemble.__wrapped__(settings.parse(environment)) is not None
