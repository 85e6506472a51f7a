"""How fresh the aggregates are, from the progress of the two stream readers."""

from datetime import UTC, datetime

import pytest

from tailrace.queries.freshness import Freshness, freshness

NOW = datetime(2026, 3, 1, 12, 0, 30, 500_000, tzinfo=UTC)
AT_00, AT_10, AT_20, AT_40 = (f"2026-03-01T12:00:{second}Z" for second in ("00", "10", "20", "40"))


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ({}, {}, Freshness(None, None, 0)),
        ({"a": AT_00}, {}, Freshness(AT_00, 30, 0)),
        # nothing has changed since: old, but nothing is missing
        ({"a": AT_00, "b": AT_10}, {"a": AT_00, "b": AT_10}, Freshness(AT_10, 20, 0)),
        ({"a": AT_10}, {"a": AT_00}, Freshness(AT_10, 20, 0)),
        # one shard is half a minute behind, the other is up to date
        ({"a": AT_00, "b": AT_20}, {"a": AT_10, "b": AT_20}, Freshness(AT_20, 10, 30)),
        # nothing of the new shard is processed yet
        ({"a": AT_20}, {"a": AT_20, "b": AT_10}, Freshness(AT_20, 10, 20)),
        # clock skew
        ({"a": AT_40}, {"a": AT_40}, Freshness(AT_40, 0, 0)),
    ],
)
def test_age_and_lag(own: dict[str, str], others: dict[str, str], expected: Freshness) -> None:
    assert freshness(own, others, NOW) == expected
