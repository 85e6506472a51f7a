"""Shared stacks: one with IAM signatures, and two with tokens."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from local.stack import Stack, running_stack
from tests.oidc_issuer import AUDIENCE, Issuer, running_issuer

ORIGIN, LOCAL_ORIGIN = "https://dashboard.example", "http://localhost:5173"
"""Pages that may call the API; the emulator refuses pages of other sites before its gateway sees them."""

SHARED: dict[str, Stack] = {}
"""The shared stacks that run, by the name of their fixture."""


@contextmanager
def shared(name: str, parameters: Mapping[str, str]) -> Iterator[Stack]:
    """Run a stack for all tests that name it."""
    with running_stack(parameters=parameters) as running:
        SHARED[name] = running
        try:
            yield running
        finally:
            del SHARED[name]


@pytest.fixture(autouse=True)
def _rest_others(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the shared stacks that a test does not use poll nothing meanwhile, which takes more than a start."""
    with ExitStack() as resting:
        for name, stack in SHARED.items():
            if name not in request.fixturenames:
                resting.enter_context(stack.pollers.paused())
        yield


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="package")
def signed_stack() -> Iterator[Stack]:
    """Run a stack with default parameters: every route requires an IAM signature."""
    with shared("signed_stack", {}) as running:
        yield running


@pytest.fixture(scope="package")
def bare_token_stack(issuer: Issuer) -> Iterator[Stack]:
    """Run a stack that accepts the issuer's tokens, without CORS: a catch-all route takes every other address."""
    with shared("bare_token_stack", {"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE}) as running:
        yield running


@pytest.fixture(scope="package")
def token_stack(issuer: Issuer) -> Iterator[Stack]:
    """Run a stack that accepts the issuer's tokens, allows a page of another origin, hosts its own page, and traces."""
    parameters = {
        "JwtIssuer": issuer.url,
        "JwtAudience": f"another,{AUDIENCE}",
        "CorsOrigins": f"{ORIGIN},{LOCAL_ORIGIN}",
        "DashboardClientId": AUDIENCE,
        "Tracing": "Active",
        "ArchiveWindowSeconds": "1",
    }
    with shared("token_stack", parameters) as running:
        yield running
