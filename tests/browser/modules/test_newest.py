"""The ranges of the newest days and longer buckets, computed in the browser."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.fake_api import FakeApi, day
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

NEWEST = [
    ("day", "America/New_York", "2024-03-14", 7 * 86_400, "2024-03-08"),
    ("day", "America/New_York", "2024-11-06", 7 * 86_400, "2024-10-31"),
    ("day", "Africa/Cairo", "2024-04-30", 7 * 86_400, "2024-04-24"),
    ("week", "Europe/Berlin", "2024-04-01", 30 * 86_400, "2024-03-04"),
    ("month", "UTC", "2025-03", 365 * 86_400, "2024-04"),
    ("month", "Asia/Kolkata", "2024-12", 1826 * 86_400, "2020-01"),
    ("month", "UTC", "2024-05", 100 * 2_629_800, "2016-02"),
    ("quarter", "Europe/Berlin", "2024-Q2", 365 * 86_400, "2023-Q3"),
    ("year", "UTC", "2024", 1826 * 86_400, "2020"),
    ("day", "UTC", "0001-01-03", 7 * 86_400, "0001-01-01"),
]
"""Unit and zone of buckets, the newest one, how many seconds the newest ones last, and the first of these."""


def test_the_newest_days_and_longer_buckets_are_counted(serve: Serve, visit: Visit) -> None:
    """Seven days with a change of the clock last an hour more or less, and twelve months a day more or less."""
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async (all) => {
            const { rangeOf } = await import('./data/ranges.js');
            const { bucketStart } = await import('./values/times.js');
            return all.map(([unit, zone, newest, seconds, first]) => {
                const extent = { newest: bucketStart(newest, zone) };
                return [rangeOf(`data:${seconds}`, extent, 0, { unit, zone }).from, bucketStart(first, zone)];
            });
        }""",
        NEWEST,
    )
    assert [start for start, _ in found] == [expected for _, expected in found]
