"""The OpenAPI document is true of the whole stack: gateway, function and tables, asked over HTTP with a token."""

from pathlib import Path

from local.stack import Stack
from tests.issuer import Issuer
from tests.openapi.running import FLIGHT, hold


def test_every_answer_of_the_stack_is_as_its_document_says(
    bare_token_stack: Stack, issuer: Issuer, tmp_path: Path
) -> None:
    """Of reading and of writing, refusals and what was carried out.

    A token may do both here, so that it is not the gateway that answers.
    """
    token = issuer.token(scope="openid tailrace/read tailrace/write", exp=4_000_000_000)
    refused = hold(bare_token_stack.api_url, f"Bearer {token}", {"flights": FLIGHT}, most=5, folder=tmp_path)
    assert refused == set()
    bare_token_stack.wait_settled(60)
