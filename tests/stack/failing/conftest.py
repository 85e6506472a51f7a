"""A stack for what fails: it gives up within seconds, and its functions can be broken and fixed."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

from local.deployment.mappings import MAPPING_TYPE, resources
from local.pollers.pollers import Pollers
from local.stack import Stack, running_stack
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import loads
from tests.oidc_issuer import AUDIENCE, Issuer
from tests.openapi.conformance import FLIGHT
from tests.stack.failing.waiting import SECONDS, await_logged

HIDDEN_S = 1
"""How long a message stays hidden after a failure: minutes in the template."""
NEVER = "rate(3650 days)"
ABSENT = "absent"
"""The name of a table or bucket that does not exist."""


@dataclass(frozen=True, slots=True)
class Failing:
    """The stack, and what the tests look at."""

    stack: Stack
    token: str
    shards: int = 1

    def client(self, service: str) -> Any:
        """Return a client of the stack."""
        return self.stack.client(service)

    def out(self, name: str) -> str:
        """Return an output of the template."""
        return self.stack.outputs[name]

    @contextmanager
    def broken(self, function: str, **variables: str) -> Iterator[None]:
        """Give a function other variables within the block, such as the name of a table that does not exist."""
        functions, name = self.client("lambda"), f"tailrace-{function}"
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    @contextmanager
    def throttled(self, *functions: str) -> Iterator[None]:
        """Let Lambda refuse every invocation of some functions within the block."""
        for function in functions:
            self.client("lambda").put_function_concurrency(
                FunctionName=f"tailrace-{function}", ReservedConcurrentExecutions=0
            )
        try:
            yield
        finally:
            for function in functions:
                self.client("lambda").delete_function_concurrency(FunctionName=f"tailrace-{function}")

    def configure(self, **mappings: dict[str, Any]) -> None:
        """Change mappings, and let pollers that honor the change read on where the others were."""
        positions = self.stack.pollers.positions
        self.stack.pollers.stop()
        uuids = resources(self.stack.endpoint, MAPPING_TYPE)
        for name, changes in mappings.items():
            self.client("lambda").update_event_source_mapping(UUID=uuids[name], **changes)
        self.stack.pollers = Pollers(self.stack.endpoint, shards=self.shards, positions=positions)
        self.stack.pollers.start()

    def hide_for(self, seconds: int) -> None:
        """Change how long the queues hide a message that was received and not processed."""
        for queue in ("IntakeQueue", "ArchiveQueue"):
            self.client("sqs").set_queue_attributes(
                QueueUrl=self.out(queue), Attributes={"VisibilityTimeout": str(seconds)}
            )
        self.configure()

    def put(self, item: str, **fields: Any) -> None:
        """Put an item straight into the table."""
        row = encode_item({"pk": f"flights#{item}"} | FLIGHT | fields)
        self.client("dynamodb").put_item(TableName=self.out("ItemsTable"), Item=row)

    def item(self, name: str) -> Any:
        """Return a stored item, None without one."""
        key = {"pk": {"S": f"flights#{name}"}}
        table = self.out("ItemsTable")
        return self.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def drop(self, key: str, *lines: dict[str, Any]) -> None:
        """Put a file into the inbox."""
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.client("s3").put_object(Bucket=self.out("ArchiveBucket"), Key=f"inbox/{key}", Body=body)

    def send(self, name: str, **message: Any) -> None:
        """Send a message to the intake queue."""
        body = {"op": "put", "collection": "flights", "id": name, "item": FLIGHT} | message
        self.client("sqs").send_message(
            QueueUrl=self.out("IntakeQueue"),
            MessageBody=json.dumps(body),
            MessageGroupId=f"flights#{name}",
            MessageDeduplicationId=f"{name} {time.time_ns()}",
        )

    def ask(self, path: str) -> urllib3.BaseHTTPResponse:
        """Send a request to the API."""
        return urllib3.request(
            "GET",
            f"{self.stack.api_url}{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            retries=False,
            timeout=60,
        )

    def health(self, stage: str) -> dict[str, Any]:
        """Return what health says about a stage."""
        return next(one for one in self.ask("/health").json()["stages"] if one["name"] == stage)

    def texts(self, bucket: str, prefix: str) -> dict[str, str]:
        """Return the objects under a prefix, by key."""
        s3, name = self.client("s3"), self.out(bucket)
        listed = s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", ())
        return {one["Key"]: s3.get_object(Bucket=name, Key=one["Key"])["Body"].read().decode() for one in listed}

    def objects(self, bucket: str, prefix: str) -> dict[str, Any]:
        """Return the JSON objects under a prefix, by key."""
        return {key: loads(text) for key, text in self.texts(bucket, prefix).items()}

    def receive(self, queue: str) -> dict[str, Any] | None:
        """Take a message out of a queue, with its attributes; None without one."""
        sqs, url = self.client("sqs"), self.out(queue)
        for message in sqs.receive_message(QueueUrl=url, AttributeNames=["All"]).get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found: dict[str, Any] = message
            return found
        return None

    def visible(self, queue: str) -> int:
        """Return the value of ApproximateNumberOfMessagesVisible."""
        name = "ApproximateNumberOfMessages"
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.out(queue), AttributeNames=[name])
        return int(found["Attributes"][name])

    def lambda_metric(self, function: str, metric: str) -> float:
        """Return the sum of a metric that Lambda counts for a function."""
        now = datetime.now(UTC)
        found = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": f"tailrace-{function}"}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=86400,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    def counted(self, service: str, metric: str) -> float:
        """Return the sum of a metric that the code counts: as CloudWatch reads it from the log."""
        found = self.client("logs").filter_log_events(
            logGroupName=f"/aws/lambda/tailrace-{service}", filterPattern=f'"{metric}"', limit=10_000
        )
        lines = [json.loads(one["message"]) for one in found["events"] if one["message"].startswith('{"_aws"')]
        return float(sum(sum(line[metric]) for line in lines if line["service"] == service and metric in line))

    def await_count(self, service: str, metric: str, count: float) -> None:
        """Wait until the sum of a metric that the code counts has a value."""
        await_logged(self.stack, service, lambda: self.counted(service, metric) == count)


@pytest.fixture(scope="package")
def failing(issuer: Issuer) -> Iterator[Failing]:
    """Run a stack whose queues show a failed message again after a second, and whose fanout tries a batch twice."""
    parameters = {"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE, "VerifySchedule": NEVER}
    with running_stack(parameters=parameters | {"ArchiveWindowSeconds": "1"}) as stack:
        found = Failing(stack, issuer.token(scope="tailrace/read tailrace/write", exp=4_000_000_000))
        found.hide_for(HIDDEN_S)
        found.configure(FanoutMapping={"MaximumRetryAttempts": 1})
        yield found


@pytest.fixture(autouse=True)
def _settled(failing: Failing) -> Iterator[None]:
    """Let each test end with nothing under way: what it broke is fixed, and works."""
    yield
    failing.stack.wait_until_settled(SECONDS)
