"""Stacks that the tests here share: of each of the two ways to be let in, and with all that goes with tokens."""

from collections.abc import Iterator

import pytest

from local.stack import Stack, running_stack
from tests.oidc_issuer import AUDIENCE, Issuer, running_issuer

ORIGIN = "https://dashboard.example"


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="package")
def signed_stack() -> Iterator[Stack]:
    """Run a stack as it is deployed without parameters: every route asks for an IAM signature."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="package")
def bare_token_stack(issuer: Issuer) -> Iterator[Stack]:
    """Run a stack that takes the issuer's tokens, and is asked by no page: one route takes every other address."""
    with running_stack(parameters={"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE}) as running:
        yield running


@pytest.fixture(scope="package")
def token_stack(issuer: Issuer) -> Iterator[Stack]:
    """Run a stack that takes the issuer's tokens, lets in a page of another origin, and hosts its own page."""
    parameters = {"JwtIssuer": issuer.url, "JwtAudience": f"another,{AUDIENCE}", "CorsOrigins": ORIGIN}
    parameters |= {"DashboardClientId": AUDIENCE}
    with running_stack(parameters=parameters) as running:
        yield running
