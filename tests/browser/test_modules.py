"""The page's number and time modules, run in the browser and compared with Python's decimals and time zones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from playwright.sync_api import Page

from tailrace.definition.groups.buckets import BucketGroup
from tailrace.encoding.tagged_json import dumps
from tests.browser.fake_api import BUCKETS, FakeApi, day, hours
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

CLOCK_CHANGES = [
    ("Europe/Berlin", "2024-03-31T01:00Z"),
    ("Africa/Cairo", "2024-04-25T22:00Z"),
    ("America/Santiago", "2024-09-08T04:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("Australia/Lord_Howe", "2024-04-06T15:00Z"),
    ("Australia/Lord_Howe", "2024-10-05T15:30Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
    ("Africa/Casablanca", "2024-04-14T02:00Z"),
    ("Africa/Monrovia", "1972-01-07T00:44:30Z"),  # from an offset of -00:44:30
    ("America/Goose_Bay", "2009-11-01T03:01Z"),  # the clocks go back into the day before
    ("Antarctica/Casey", "2010-03-04T15:00Z"),
    ("Antarctica/Troll", "2024-03-31T01:00Z"),
    ("Europe/Dublin", "2024-10-27T01:00Z"),
]
ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
]


def random_number(random: Random) -> Decimal:
    digits = "".join(random.choice("0123456789") for _ in range(random.randint(1, 38)))
    return Decimal(f"{random.choice(['', '-'])}{digits}E{random.randint(-40, 10)}")


def test_parsed_numbers_keep_their_digits_and_texts_are_unchanged(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    random = Random(7)  # noqa: S311 - reproducible
    values = [
        *(random_number(random) for _ in range(2000)),
        *(
            "1234567890123456789",
            '"12345678901234567.5"',
            "\\12345678901234567",
            "a\u0001exact",
            True,
            None,
            [1, {"x": 2}],
        ),
    ]
    parsed = page.evaluate(
        """async (text) => {
            const { parse, Exact } = await import('./values/exact.js');
            const isNumber = (one) => one instanceof Exact || typeof one === 'number';
            return parse(text).map((one) => (isNumber(one) ? [String(one), Number(one)] : one));
        }""",
        dumps(values),
    )
    for value, found in zip(values, parsed, strict=True):
        if isinstance(value, Decimal):
            assert Decimal(found[0]) == value
            assert float(found[1]) == float(value)
        else:
            assert found == value


def test_buckets_start_and_end_where_the_server_says(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    buckets = []
    # a year with all clock changes, at odd times; then changes that skip or repeat midnight, a half hour or a day; and
    # years that JavaScript takes for others, with the zero time of Go and .NET
    year = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=73 * step, minutes=7 * step) for step in range(120)]
    early = [
        datetime(*day, 17, 5, tzinfo=UTC) for day in ((2, 1, 1), (18, 7, 9), (99, 12, 31), (100, 1, 1), (999, 5, 5))
    ]
    moments = [(name, moment) for name in ZONES for moment in (*year, *early)] + [
        (name, datetime.fromisoformat(change) + timedelta(minutes=minutes))
        for name, change in CLOCK_CHANGES
        for minutes in range(-90, 91, 15)
    ]
    moments.append(("UTC", datetime(1, 1, 1, tzinfo=UTC)))
    for name, moment in moments:
        for unit, size in BUCKETS:
            bucket = BucketGroup("at", unit, unit, ZoneInfo(name), size)
            label = bucket.label(moment)
            ends = [instant.timestamp() * 1000 for instant in (bucket.start(label), bucket.end(label))]
            buckets.append((label, name, unit if size == 1 else f"{size} {unit}s", *ends))
    found = page.evaluate(
        """async (all) => {
            const { bucketBefore, bucketStart, bucketEnd } = await import('./values/times.js');
            return all.map(([label, zone, unit, start, end]) => [
                bucketStart(label, zone), bucketEnd(start, unit, zone), bucketBefore(end, unit, zone),
            ]);
        }""",
        buckets,
    )
    for bucket_given, ends_found in zip(buckets, found, strict=True):
        start, end = bucket_given[3:]
        assert ends_found == [start, end, start], bucket_given


TICKS = [
    ([1_000_000, 1_000_100, 1_000_500], 100, ["1,000,000", "1,000,100", "1,000,500"]),
    ([1_000_000, 1_100_000, 1_200_000], 100_000, ["1M", "1.1M", "1.2M"]),
    ([1234.5, 1234.6, 1234.9], 0.1, ["1,234.5", "1,234.6", "1,234.9"]),
    ([20_000, 20_010, 20_050], 10, ["20,000", "20,010", "20,050"]),
    ([0, 10_000, 20_000], 10_000, ["0", "10K", "20K"]),
    ([10_000, 12_500, 15_000], 2500, ["10K", "12.5K", "15K"]),
    ([9750, 10_000, 10_250], 250, ["9,750", "10,000", "10,250"]),
    ([999.75, 1000, 1000.25], 0.25, ["999.75", "1,000", "1,000.25"]),
    ([-1_000_200, -1_000_100, -1_000_000], 100, ["-1,000,200", "-1,000,100", "-1,000,000"]),
    ([-0.5, 0, 0.5], 0.5, ["-0.5", "0", "0.5"]),
    ([0.123401, 0.123402], 0.000001, ["0.123401", "0.123402"]),
    ([0.0000001, 0.0000002], 1e-7, ["0.0000001", "0.0000002"]),
    ([0, 1e-20, 2.0000000000000003e-20], 1e-20, ["0", "1e-20", "2e-20"]),
    ([-1e31, -5e30, 0], 5e30, ["-1e+31", "-5e+30", "0"]),
    ([0, 1e15, 2e15], 1e15, ["0", "1e+15", "2e+15"]),
    ([1e20, 1e20 + 1e5], 1e5, ["1e+20", "1.000000000000001e+20"]),
    ([], 1, []),
    ([0], 0, ["0"]),
]


def test_neighboring_ticks_have_different_labels(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async (all) => {
            const { tickLabels } = await import('./values/format.js');
            return all.map(([ticks, step]) => tickLabels(ticks, step));
        }""",
        [[ticks, step] for ticks, step, _ in TICKS],
    )
    assert found == [labels for _, _, labels in TICKS]


def test_zero_has_no_sign(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { formatNumber } = await import('./values/format.js');
            const { Exact } = await import('./values/exact.js');
            return [-0, new Exact('-0.0'), -1].map(formatNumber);
        }"""
    )
    assert found == ["0", "0", "-1"]


def test_lines_of_typed_numbers_read_in_part_and_by_size_and_bands_of_the_same_items(
    serve: Serve, visit: Visit
) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    prices = [Decimal("2.5"), 1000, 12345678901234567, 12345678901234568, "07"]
    rows = [{"price": price, "hour": "2024-01-01T00:00+00:00", "n": n} for n, price in enumerate(prices, 1)]
    rows.insert(1, {"price": Decimal("2.5"), "hour": "2024-01-01T02:00+00:00", "n": 1})
    rows.append({"price": 1000, "hour": "2024-01-01T01:00+00:00", "n": 2})
    drawn, of_more, texts, of_start, bands, largest_first, of_change = page.evaluate(
        """async (rows) => {
            const { parse } = await import('./values/exact.js');
            const { columnsOf, linesBySize } = await import('./data/series.js');
            const { valueAt } = await import('./charts/readout.js');
            const { viewsOf } = await import('./data/views.js');
            const { Aggregate } = await import('./data/aggregate.js');
            const groups = [{ name: 'price', kind: 'field' }, { name: 'hour', kind: 'hour', time_zone: 'UTC' }];
            const given = [['n', 'count'], ['low', 'minimum'], ['high', 'maximum', 1], ['mean', 'mean', 1]];
            const measures = [...given, ['spread', 'variance', 1]].map(
                ([name, kind, where]) => ({ name, kind, field: 'x', where }));
            const aggregate = new Aggregate({ name: 'a', groups, bucket: 'hour', measures });
            const [view, ...others] = viewsOf(measures);
            const keys = ['2.50', '1e3', '12345678901234567.0', '7'];
            const read = { rows: parse(rows), bucketName: 'hour' };
            const ofAll = columnsOf(read, aggregate, keys, view, 'hour', false);
            const ofMore = columnsOf({ ...read, truncated: true }, aggregate, keys, view, 'hour', false);
            const lines = keys.map((key) => ({ key }));
            const texts = [ofAll, ofMore].map((data) => valueAt({ ...data, view, lines }, 1, data.xs[2]));
            const byHour = new Aggregate({ name: 'b', groups: groups.toReversed(), bucket: 'hour', measures });
            const start = { ...read, rows: read.rows.filter(({ hour }) => !hour.includes('T02')), truncated: true };
            const ofStart = columnsOf(start, byHour, keys, view, 'hour', false).columns;
            const late = { name: 'late', kind: 'count', where: 1 };
            const counts = { lineKey: ({ shop }) => shop, measures: [late, measures[0]] };
            const sizes = linesBySize([{ shop: 'a', late: 2, n: 3 }, { shop: 'b', late: 1, n: 9 }], counts);
            const offsets = ['01:00+02:00', '02:00+02:00', '02:00+01:00', '03:00+01:00'];
            const labels = offsets.map((text) => `2024-10-27T${text}`);
            const inZone = [groups[0], { ...groups[1], time_zone: 'Europe/Berlin' }];
            const ofZone = new Aggregate({ name: 'c', groups: inZone, bucket: 'hour', measures });
            // of the second line, the first row of the repeated hour comes after the second one, and is not read
            const both = [...labels.map((hour) => ['a', hour]), ['b', labels[2]]];
            const cut = { rows: both.map(([price, hour]) => ({ price, hour, n: 1 })), bucketName: 'hour' };
            const ofChange = columnsOf({ ...cut, truncated: true }, ofZone, ['a', 'b'], view, 'hour', false).columns;
            const bands = others.filter(({ kind }) => kind === 'band').map(({ label }) => label);
            return [ofAll.columns, ofMore.columns, texts, ofStart, bands, sizes.map(({ value }) => value), ofChange];
        }""",
        dumps(rows),
    )
    assert drawn == [[1, 0, 1], [2, 2, 0], [3, 0, 0], [0, 0, 0]]
    # the last row read is the second one of the second line
    assert of_more == [[1, 0, 1], [2, 2, None], [3, None, None], [None, None, None]]
    assert texts == ["0", None]
    # in the order of time, the hour of the last row may not be complete
    assert of_start == [[1, None], [2, 2], [3, None], [0, None]]
    assert of_change == [[1, 1, 1, 1], [0, None, 1, None]]
    assert bands == ["Mean ± standard deviation"]
    assert largest_first == ["b", "a"]


def test_empty_pages_of_groups_are_passed_over(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { topGroups } = await import('./data/queries.js');
            const last = { groups: [{ value: 7, items: 1 }] };
            const pages = [{ groups: [], cursor: '1' }, { groups: [], cursor: '2' }, last];
            const get = async (_, parameters) => {
                const { order, cursor } = Object.fromEntries(parameters);
                if (order !== 'key') throw { type: 'too-much' };
                return pages[Number(cursor ?? 0)];
            };
            return topGroups({ get }, { listsGroups: true, path: (resource) => resource });
        }"""
    )
    assert found == [{"value": "7", "items": 1}]


def test_a_leap_second_stays_as_it_is(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async (texts) => {
            const { formatInstant } = await import('./values/times.js');
            return texts.map((text) => formatInstant(text, null));
        }""",
        ["2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"],
    )
    assert found == ["2016-12-31T23:59:60Z", "Sat, 31 Dec 2016, 23:59:59 UTC"]


def test_the_time_of_a_text_among_bars_is_in_the_panels_zone(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { ranking } = await import('./charts/ranking.js');
            const view = { isList: false, parts: [{ name: 'last', of: () => Number.NaN }] };
            const row = { last: { value: 'north', at: '2024-06-01T00:00:00Z' } };
            return [null, 'Asia/Tokyo'].map((zone) => ranking([['a', row]], view, zone)[0].textContent);
        }"""
    )
    times = ["Sat, 1 Jun 2024, 00:00:00 UTC", "Sat, 1 Jun 2024, 09:00:00"]
    assert found == [f"anorth ({time})" for time in times]


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
    const range = rangeOf('now:3600', extent, now, 'minute');
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
