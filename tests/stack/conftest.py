"""Shared stacks: one with IAM signatures, and two with tokens."""

from collections.abc import Iterator

import pytest

from local.stack import Stack, running_stack
from tests.oidc_issuer import AUDIENCE, Issuer, running_issuer

ORIGIN, LOCAL_ORIGIN = "https://dashboard.example", "http://localhost:5173"
"""Pages that may call the API; the emulator refuses pages of other sites before its gateway sees them."""


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="package")
def signed_stack() -> Iterator[Stack]:
    """Run a stack with default parameters: every route requires an IAM signature."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="package")
def bare_token_stack(issuer: Issuer) -> Iterator[Stack]:
    """Run a stack that accepts the issuer's tokens, without CORS: a catch-all route takes every other address."""
    with running_stack(parameters={"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE}) as running:
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
    with running_stack(parameters=parameters) as running:
        yield running
