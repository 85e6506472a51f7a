"""The emulator's gateway gets a CORS configuration under the names that it reads."""

from typing import Any

import pytest

from local.emulation.cors import READERS, read_template_names

ORIGINS = ["http://localhost:3000", "http://localhost:3001"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("configuration", "read"),
    [
        (
            {"AllowOrigins": ",".join(ORIGINS), "AllowHeaders": ["etag"], "MaxAge": 600},
            {"allowOrigins": ORIGINS, "allowHeaders": ["etag"], "maxAge": 600},
        ),
        ({"AllowOrigins": ORIGINS}, {"allowOrigins": ORIGINS}),
        ({"allowOrigins": ORIGINS}, {"allowOrigins": ORIGINS}),
        ({}, {}),
    ],
)
def test_a_configuration_of_the_template_is_read(
    reader: str, configuration: dict[str, Any], read: dict[str, Any]
) -> None:
    """https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid.html#apis-apiid-model-cors"""
    gateway: dict[str, Any] = dict.fromkeys(READERS, lambda *given: given)
    read_template_names(gateway)
    assert gateway[reader](configuration, ORIGINS[0]) == (read, ORIGINS[0])
