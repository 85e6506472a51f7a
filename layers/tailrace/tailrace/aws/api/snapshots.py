"""What a snapshot of ``api`` holds, from which Lambda starts new processes (the template's parameter ``SnapStart``)."""

from collections.abc import Mapping

from tailrace.definition.pipeline import load_pipeline


def load_before_snapshot(environment: Mapping[str, str]) -> None:
    """Load the definition while Lambda initializes a process to take a snapshot of it, and at no other start.

    Clients are made after each start: they hold credentials and connections. The variable is Lambda's:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        load_pipeline(environment["TAILRACE_PIPELINE"])
