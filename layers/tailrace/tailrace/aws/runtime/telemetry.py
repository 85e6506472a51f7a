"""Logs and metrics, by Powertools: JSON lines that CloudWatch reads, and metrics embedded in them.

No item, message or credential is ever logged: only names, counts and reasons.
"""

import os
from collections.abc import Mapping
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider


@cache
def logger() -> Logger:
    """Return the function's logger; its level and service name come from Powertools' own variables."""
    return Logger()


def count_metrics(dimensions: Mapping[str, str] | None = None, /, **counts: int) -> None:
    """Write counts as metrics, those that are not zero, in one line.

    The namespace and the service come from Powertools' own variables; without one the namespace is ``Tailrace``.
    """
    metrics = AmazonCloudWatchEMFProvider(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "Tailrace")
    for name, text in (dimensions or {}).items():
        metrics.add_dimension(name, text)
    for name, value in counts.items():
        if value:
            metrics.add_metric(name, unit=MetricUnit.Count, value=value)
    if metrics.metric_set:
        metrics.flush_metrics()
