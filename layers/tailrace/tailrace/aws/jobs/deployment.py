"""Which code of the aggregate function runs."""

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from tailrace.aws.backfill.progress_rows import AGGREGATE, FANOUT
from tailrace.aws.runtime.errors import map_aws_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient


class Deployment(Struct, frozen=True):
    """Reads the configuration of the aggregate function.

    Raises (each method):
        Transient: the service cannot be used now.
        Permanent: it rejects the request.
    """

    client: "Callable[[], LambdaClient]"
    function: str

    def stage_of(self, function: str | None) -> str | None:
        """Return the stream's reader that a function is; None for another one. The names begin with the stack's."""
        stack = self.function.removesuffix(AGGREGATE)
        return {self.function: AGGREGATE, f"{stack}{FANOUT}": FANOUT}.get(function or "")

    def revision(self) -> str:
        """Return what changes with every update of the function."""
        with map_aws_errors():
            return self.client().get_function_configuration(FunctionName=self.function)["RevisionId"]

    def updated_at(self) -> int | None:
        """Return the second of the last update; None while one is in progress."""
        with map_aws_errors():
            found = self.client().get_function_configuration(FunctionName=self.function)
        if found.get("LastUpdateStatus", "Successful") == "InProgress":
            return None
        return int(datetime.fromisoformat(found["LastModified"]).timestamp())
