"""fanout: from the items table's stream to the archive's queue, the routes' queues and quarantine."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.monitoring.throughput import for_process, route_stage
from tailrace.aws.runtime.clients import client, storing_client
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.garbage import collect_seldom
from tailrace.aws.runtime.settings import FanoutSettings, route_queues
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.aws.stages.replay import Replayer
from tailrace.definition.pipeline import load_pipeline
from tailrace.queries.freshness import FANOUT


@cache
def stage(settings: FanoutSettings) -> Fanout:
    """Assemble the stage, once per settings: Lambda calls the handler many times."""
    collect_seldom()
    pipeline = load_pipeline(settings.tailrace_pipeline)
    routes = route_queues(settings, [route.name for route in pipeline.routes])
    queues = {name: found.queue for name, found in routes.items()}
    destinations = Destinations(settings.archive_queue, queues, settings.failures_bucket)
    progress = ProgressWriter(client("dynamodb"), settings.progress_table, FANOUT, _now)
    route_throughput = {route: for_process(settings.progress_table, route_stage(route), _now) for route in queues}
    return Fanout(pipeline, client("sqs"), storing_client, destinations, progress, route_throughput)


def _now() -> datetime:
    return datetime.now(UTC)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Fan out a batch of the stream, or serve an operator's replay."""
    fanout = stage(FanoutSettings.parse(os.environ))
    return Replayer(fanout)(event["replay"]) if "replay" in event else fanout(event, remaining_time_ms(context))
