"""What a build leaves out of its rows, counted as the aggregate stage would: the alarms watch that stage."""

from tailrace.aws.runtime.telemetry import count_metrics


def count_left_out(*, items: int = 0, sums: int = 0) -> None:
    """Count items that an aggregate cannot count, and rows that cannot hold a sum."""
    count_metrics({"service": "aggregate"}, ItemsNotCounted=items, RowsRefused=sums)
