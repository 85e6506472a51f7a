"""The OpenAPI document is true of the whole stack: gateway, function and tables, asked over HTTP with a token."""

from pathlib import Path

from local.stack import Stack
from tests.oidc_issuer import Issuer
from tests.openapi.conformance import FLIGHT, check_conformance


def test_every_answer_of_the_stack_is_as_its_document_says(
    bare_token_stack: Stack, issuer: Issuer, tmp_path: Path
) -> None:
    """Of reading and of writing, refusals and what was carried out.

    A token may do both here, so that it is not the gateway that answers.
    """
    token = issuer.token(scope="openid tailrace/read tailrace/write", exp=4_000_000_000)
    refused = check_conformance(
        bare_token_stack.api_url, f"Bearer {token}", {"flights": FLIGHT}, max_examples=5, folder=tmp_path
    )
    assert refused == set()
    bare_token_stack.wait_until_settled(60)
