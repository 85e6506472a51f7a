"""What a job's process fixes before it runs any function of the definition."""

import pytest

from tailrace.aws.jobs import assembly
from tailrace.definition.pipeline import load_pipeline
from tests.unit.aws.custom_resources.history_settings import SETTINGS


def test_fingerprints_are_computed_before_functions_of_the_definition_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What functions change at module level, such as a cache, would change them afterwards."""
    asked: list[object] = []
    monkeypatch.setattr(assembly, "client", lambda _: None)
    monkeypatch.setattr(assembly, "fingerprints", asked.append)
    assembly.job_context.__wrapped__(SETTINGS)
    assert asked == [load_pipeline(SETTINGS.tailrace_pipeline)]
