"""The measured handler works on the stubs of AWS, which answer everything that it asks."""

import json
from collections import Counter
from typing import Any

import pytest

from benchmarks.changes import event, forget_absorbed, records
from benchmarks.growth import batches, per_change
from benchmarks.handlers import control, product, results
from benchmarks.server import stub_dynamodb
from cli.plan.sources import HANDLER


@pytest.mark.usefixtures("aws_env")
def test_it_writes_each_touched_row_in_batches_once_it_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "testing")
    calls = Counter[str]()
    with stub_dynamodb(control("aggregates")) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        stage = product()
        dynamodb: Any = stage.committer.client
        dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: calls.update([model.name]))
        for start in (0, 200):
            batch = json.loads(event(list(records()[start : start + 200])))
            assert stage(batch)["batchItemFailures"] == []
        assert calls["UpdateItem"] > calls["BatchExecuteStatement"] > 0
        calls.clear()
        stage(batch)
        assert not calls["BatchExecuteStatement"]
        forget_absorbed(stage.committer)  # otherwise, a batch that is measured again would cost nothing
        stage(batch)
        assert calls["BatchExecuteStatement"]


def test_growth_is_measured_on_batches_that_are_all_absorbed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_DISABLED"):
        monkeypatch.setenv(name, "CRITICAL")  # so that what the stage sets goes with the test
    assert per_change(batches(2, 1, 2)) > 0


def test_tailrace_plan_finds_the_handler_under_the_name_that_it_is_measured_by() -> None:
    assert HANDLER in {(one.part, one.what) for one in results("1,000", [(60.0, 80.0)], [(6_000.0, 37_000.0)])}
