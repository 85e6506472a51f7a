"""The settings of the function that answers CloudFormation and runs jobs."""

from tailrace.aws.runtime.settings import HistorySettings

SETTINGS = HistorySettings(
    tailrace_pipeline="tests.pipelines.orders:pipeline",
    items_table="items",
    aggregates_table="aggregates",
    progress_table="progress",
    history_bucket="history",
    failures_bucket="failures",
    aggregate_function="aggregate",
    history_machine="machine",
)
