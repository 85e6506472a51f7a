"""The OpenAPI document describes the whole stack: gateway, function and tables, over HTTP with a token."""

from pathlib import Path

from local.stack import Stack
from tests.oidc_issuer import Issuer
from tests.openapi.conformance import FLIGHT, check_conformance


def test_every_response_of_the_stack_conforms_to_its_document(
    bare_token_stack: Stack, issuer: Issuer, tmp_path: Path
) -> None:
    """Responses to reads and writes, successes and errors.

    The token may do both, so that the function responds, not the gateway.
    """
    token = issuer.token(scope="openid tailrace/read tailrace/write", exp=4_000_000_000)
    refused = check_conformance(
        bare_token_stack.api_url, f"Bearer {token}", {"flights": FLIGHT}, max_examples=5, folder=tmp_path
    )
    assert refused == set()
    bare_token_stack.wait_until_settled(60)
