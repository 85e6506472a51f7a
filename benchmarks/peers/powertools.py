"""Queue handlers around the batch processors of Powertools for AWS Lambda, with jsonschema and boto3.

A message that fails is reported, and in a FIFO queue those after it, too. An invalid item is left out: nothing would be
gained by delivering it again. As in its documentation, each message is handled on its own.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from benchmarks.peers import stages as by_hand

NAME = "Powertools' batch processor"


def ingest(event: Mapping[str, Any], table: Any) -> Any:
    """Put the item of each message into the table, in order."""
    handler = partial(_for_one, by_hand.ingest, table)
    return process_partial_response(event=dict(event), record_handler=handler, processor=SqsFifoPartialProcessor())


def archive(event: Mapping[str, Any], s3: Any) -> Any:
    """Write the events of each message as one object per hour."""
    handler = partial(_for_one, by_hand.archive, s3)
    processor = BatchProcessor(event_type=EventType.SQS)
    return process_partial_response(event=dict(event), record_handler=handler, processor=processor)


def _for_one(stage: Any, client: Any, record: SQSRecord) -> None:
    stage({"Records": [record.raw_event]}, client)
