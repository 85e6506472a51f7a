"""Readings of sensors, and plans of samples of them."""

from pathlib import Path
from typing import Any

from cli.plan.sampling.assembly import Sampled, sampled
from cli.plan.sampling.changes import Shares
from cli.plan.sampling.sample import Progress
from tailrace import Aggregate, Collection, Pipeline, Route, count, distinct, field, hour, maximum, quantile, total

SCHEMA = {
    "type": "object",
    "required": ["sensor", "celsius"],
    "properties": {"sensor": {"type": "string"}, "celsius": {"type": "number"}, "at": {"type": "string"}},
}
readings = Collection("readings", schema=SCHEMA)
PIPELINE = Pipeline(
    [readings],
    [
        Aggregate("sensors", of=readings, by=[field("sensor")], measures={"n": count(), "sum": total("celsius")}),
        Aggregate(
            "hours",
            of=readings,
            by=[hour("at")],
            measures={"p95": quantile("celsius", 0.95), "most": maximum("celsius"), "kinds": distinct("sensor")},
        ),
    ],
    [Route("hot", of=readings, when=lambda reading: reading["celsius"] > 80)],
)


def line(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "sensor": f"s{number % 7}", "celsius": number % 100, "at": "2026-01-01T00:00Z"} | fields


def plan(path: Path | None, shares: Shares = Shares(), pipeline: Pipeline = PIPELINE) -> Sampled:  # noqa: B008
    return sampled(pipeline, None, path, shares, Progress(lambda _: None))
