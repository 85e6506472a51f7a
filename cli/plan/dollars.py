"""Dollars a month: a plan's rates times list prices."""

import math
from collections.abc import Mapping

from cli.plan.model import Plan

MONTH_S = 30 * 86_400
_GB = 1769 / 1024  # time is that of one processor at full speed, which Lambda gives at this memory
_CHUNK_BYTES = 65_536
_IN_CALL = 10


def dollars_a_month(plan: Plan, price: Mapping[str, float]) -> dict[str, float]:
    """Return dollars a month, by what they pay for. The month has 30 days."""
    rate, second, request = plan.load.rate, price["lambda_gb_second"], price["lambda_request"]
    chunks = math.ceil(plan.message_bytes / _CHUNK_BYTES)
    sqs = price["sqs_request_64_kb"]
    memory = {"aggregate": _GB, "fanout": 1, "archive": 1}
    lambdas = sum(plan.concurrency[stage] * memory[stage] for stage in memory) * second
    requests = (plan.batches + rate / plan.fanout_batch + 2 * plan.archive_batches) * request
    found = {
        "aggregate rows, written": rate * plan.units * price["dynamodb_write_unit"],
        "aggregate rows, read": rate * plan.read_units * price["dynamodb_read_unit"],
        "functions": lambdas + requests,
        # sent, received, and deleted ten at a time
        "archive queue": plan.messages * (2 * chunks + 1 / _IN_CALL) * sqs,
        "route queues, sending": plan.routed / _IN_CALL * sqs,
        "archive objects and catalog": plan.archive_batches * (price["s3_put"] + price["dynamodb_write_unit"]),
    }
    return {name: amount * MONTH_S for name, amount in found.items()}


def upstream_dollars(plan: Plan, price: Mapping[str, float]) -> float:
    """Return what the writes to the items table cost in a month; you pay them with or without a pipeline."""
    return plan.load.rate * plan.profile.item_units * price["dynamodb_write_unit"] * MONTH_S
