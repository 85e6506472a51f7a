"""Each test of the API begins with an aggregate function that remembers nothing."""

import pytest

from functions.aggregate.app import stage as aggregate_stage


@pytest.fixture(autouse=True)
def _forget_rows() -> None:
    """Let the aggregate function begin anew, as its table does: it remembers which rows there are."""
    aggregate_stage.cache_clear()
