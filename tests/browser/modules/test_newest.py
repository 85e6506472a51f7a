"""The page's modules that find the newest buckets, the ranges up to them, and gaps, run in the browser."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from playwright.sync_api import Page

from tailrace.definition.groups.buckets import BucketGroup
from tests.browser.fake_api import FakeApi, day, hours
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


SEARCH = """async (description) => {
    const { Aggregate } = await import('./data/aggregate.js');
    const { Extents } = await import('./data/extents.js');
    const { closeRange, rangeOf, widenRange } = await import('./data/ranges.js');
    const aggregate = new Aggregate(description);
    const [minuteMs, start] = [60_000, Date.parse('2024-01-01T00:00Z')];
    const newest = { at: start };
    const label = () => new Date(newest.at).toISOString().slice(0, 16) + '+00:00';
    const api = { get: async () => ({ rows: [{ minute: label() }] }) };
    const extents = new Extents([aggregate]);
    const found = [];
    // at first, the clock is ahead
    const pauses = [[90, true, 0], [0, true], [20, true], [22, true], [60, true], [61.5, true], [62, false]];
    for (const [pause, isProbed, bucket = pause] of pauses) {
        Date.now = () => start + pause * minuteMs;
        newest.at = start + bucket * minuteMs;
        found.push((await extents.of(api, aggregate, [], { isProbed })).newest - start);
    }
    const now = Date.now();
    const extent = { oldest: start, newest: start };
    const range = rangeOf('now:3600', extent, now, aggregate);
    const open = widenRange(range, closeRange(range, extent), 'minute');
    return [found.map((ms) => ms / minuteMs), (now - open.from) / minuteMs, open.to >= now];
}"""


def test_buckets_after_a_pause_are_found_and_the_last_hour_reaches_until_now(serve: Serve, visit: Visit) -> None:
    """Of an aggregate that begins with its bucket, each bucket is a query, so that only some of them are read."""
    described = hours() | {"bucket": "minute", "groups": [
        {"name": "minute", "kind": "minute", "field": "at", "time_zone": "UTC"},
        {"name": "sensor", "kind": "field", "field": "sensor"},
    ]}  # fmt: skip
    page = visit(serve(FakeApi(rows=day()).respond).url)
    assert page.evaluate(SEARCH, described) == [[0, 0, 0, 22, 60, 60, 62], 60, True]


GAPS = [
    ("month", 1, "UTC", ["2013-01", "2013-03", "2013-12"], ["2013-02", "2013-04", "2013-11"]),
    ("quarter", 1, "UTC", ["2013-Q3", "2014-Q1", "2016-Q1"], ["2013-Q4", "2014-Q2", "2015-Q4"]),
    ("year", 1, "Asia/Tokyo", ["2012", "2014", "2020"], ["2013", "2015", "2019"]),
    ("week", 1, "America/New_York", ["2024-10-28", "2024-11-18"], ["2024-11-04", "2024-11-11"]),
    ("day", 1, "Europe/Berlin", ["2024-10-27", "2024-10-29"], ["2024-10-28"]),
    ("day", 1, "Pacific/Apia", ["2011-12-29", "2011-12-31", "2012-01-02"], ["2012-01-01"]),
    (
        "hour",
        12,
        "Europe/Berlin",
        ["2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"],
        ["2024-03-31T00:00+02:00", "2024-03-31T12:00+02:00"],
    ),
    (
        "hour",
        1,
        "Australia/Lord_Howe",
        ["2024-04-07T01:00+11:00", "2024-04-07T04:00+10:30"],
        ["2024-04-07T01:00+10:30", "2024-04-07T03:00+10:30"],
    ),
]
"""Unit, size and zone of buckets, those with rows, and those at the ends of the gaps between them."""


def test_the_ends_of_a_gap_are_the_buckets_without_rows(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async (all) => {
            const { columnsOf } = await import('./data/series.js');
            const { unitOf } = await import('./values/times.js');
            const view = { isZeroWhenEmpty: true, parts: [{ of: (row) => row.n }] };
            return all.map(([kind, size, zone, labels]) => {
                const read = { rows: labels.map((b) => ({ b, n: 7 })), bucketName: 'b' };
                const unit = unitOf(size === 1 ? { kind } : { kind, size });
                const { xs, columns } = columnsOf(read, { zone, lineGroups: [] }, ['all'], view, unit, {});
                return xs.filter((_, index) => columns[0][index] === 0);
            });
        }""",
        GAPS,
    )
    for (unit, size, zone, _, expected), seconds in zip(GAPS, found, strict=True):
        bucket = BucketGroup("at", unit, unit, ZoneInfo(zone), size)
        assert seconds == [bucket.start(label).timestamp() for label in expected], (unit, size, zone)


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
