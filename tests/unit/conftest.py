"""What all unit tests share: no stack runs beside them."""

import pytest

from tests.conftest import require_no_pollers


@pytest.fixture(autouse=True, scope="module")
def _no_stack() -> None:
    """See that no stack polls: these tests replace clocks and calls that its threads use, too."""
    require_no_pollers(10)
