"""The page's modules that make lines, bars and ranges of what the API returns, run in the browser."""

from collections.abc import Callable
from decimal import Decimal
from zoneinfo import ZoneInfo

from playwright.sync_api import Page

from tailrace.definition.groups.buckets import BucketGroup
from tailrace.encoding.tagged_json import dumps
from tests.browser.fake_api import FakeApi, day, hours
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


LINES = """async (rows) => {
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
    const ofAll = columnsOf(read, aggregate, keys, view, 'hour', {});
    const ofMore = columnsOf({ ...read, truncated: true }, aggregate, keys, view, 'hour', {});
    const lines = keys.map((key) => ({ key }));
    const texts = [ofAll, ofMore].map((data) => valueAt({ ...data, view, lines }, 1, data.xs[2]));
    const byHour = new Aggregate({ name: 'b', groups: groups.toReversed(), bucket: 'hour', measures });
    const start = { ...read, rows: read.rows.filter(({ hour }) => !hour.includes('T02')), truncated: true };
    const ofStart = columnsOf(start, byHour, keys, view, 'hour', {}).columns;
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
    const ofChange = columnsOf({ ...cut, truncated: true }, ofZone, ['a', 'b'], view, 'hour', {}).columns;
    const bands = others.filter(({ kind }) => kind === 'band').map(({ label }) => label);
    return [ofAll.columns, ofMore.columns, texts, ofStart, bands, sizes.map(({ value }) => value), ofChange];
}"""
"""A function: the lines of rows, and of parts of them; values at a point; bands; and lines by size."""


def test_lines_of_typed_numbers_read_in_part_and_by_size_and_bands_of_the_same_items(
    serve: Serve, visit: Visit
) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    prices = [Decimal("2.5"), 1000, 12345678901234567, 12345678901234568, "07"]
    rows = [{"price": price, "hour": "2024-01-01T00:00+00:00", "n": n} for n, price in enumerate(prices, 1)]
    rows.insert(1, {"price": Decimal("2.5"), "hour": "2024-01-01T02:00+00:00", "n": 1})
    rows.append({"price": 1000, "hour": "2024-01-01T01:00+00:00", "n": 2})
    drawn, of_more, texts, of_start, bands, largest_first, of_change = page.evaluate(
        LINES,
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


SEVERAL = """async () => {
    const { columnsOf } = await import('./data/series.js');
    const { Aggregate } = await import('./data/aggregate.js');
    const { viewsOf } = await import('./data/views.js');
    const hour = { name: 'hour', kind: 'hour', time_zone: 'Europe/Berlin' };
    const field = (name) => ({ name, kind: 'field' });
    const measures = [{ name: 'n', kind: 'count' }];
    const [view] = viewsOf(measures);
    const draw = (groups, rows, keys, truncated) => columnsOf({ rows, bucketName: 'hour', truncated },
        new Aggregate({ name: 'a', groups, bucket: 'hour', measures }), keys, view, 'hour', {}).columns;
    const at = (text, price) => ({ price, hour: `2024-10-27T${text}`, n: 1 });
    const numbers = [at('01:00+02:00', 2.5), at('03:00+01:00', 2.5), at('03:00+01:00', '2.50')];
    const texts = [at('01:00+02:00', '2.5'), at('03:00+01:00', '2.50')];
    // in the order of the key, the first of the two hours at 02:00 comes after the second one, and is not read
    const cut = [at('01:00+02:00', 'a'), at('02:00+01:00', 'a')];
    return [
        draw([field('price'), hour], numbers.slice(0, 2), ['2.50', '2.5', '7'], false),
        draw([field('price'), hour], texts, ['2.50', '2.5'], false),
        draw([field('shop'), hour, field('price')], cut, ['a'], true),
        draw([hour, field('price')], cut, ['a'], true),
    ];
}"""
"""A function: lines of a number in two notations, of texts that look like numbers, and of rows read in part."""


def test_a_number_in_two_notations_has_the_same_line_twice_and_hours_not_read_are_gaps(
    serve: Serve, visit: Visit
) -> None:
    numbers, texts, by_shop, by_hour = visit(serve(FakeApi(rows=day()).respond).url).evaluate(SEVERAL)
    assert numbers == [[1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
    assert texts == [[0, 0, 0, 1], [1, 0, 0, 0]]
    assert by_shop == [[1, None, 1]]
    assert by_hour == [[1, 0, 1]]


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


def test_empty_pages_of_rows_are_passed_over(serve: Serve, visit: Visit) -> None:
    """As where very many rows have lost their items, and are not deleted yet."""
    found = visit(serve(FakeApi(rows=day()).respond).url).evaluate(
        """async () => {
            const { readRows } = await import('./data/queries.js');
            const aggregate = { path: (resource) => resource };
            const reader = (empty) => ({ get: async (_, parameters) => {
                const page = Number(Object.fromEntries(parameters).cursor ?? 0);
                return page < empty ? { rows: [], cursor: String(page + 1) } : { rows: [{ n: page }] };
            } });
            const read = async (empty) => readRows(reader(empty), aggregate, [], { max: 50 });
            return [await read(5), await read(1000)].map(({ rows, truncated }) => [rows, truncated]);
        }"""
    )
    assert found == [[[{"n": 5}], False], [[], True]]


def test_rows_of_several_responses_are_as_fresh_as_the_least_fresh_of_them(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { readAllRows } = await import('./data/queries.js');
            const at = (second, ageS, behindS) => ({
                newest_change: second && `2026-03-01T12:00:0${second}Z`, age_s: ageS, behind_s: behindS });
            const aggregate = { path: (resource) => resource };
            const read = async (...pages) => {
                const left = [...pages];
                const get = async () => left.shift();
                const { rows, freshness } = await readAllRows({ get }, aggregate, [[['a', '1']], [['a', '2']]]);
                return [rows.length, ...Object.values(freshness)];
            };
            const [late, well, idle, none] = [at(1, 60, 58), at(9, 1, 1), at(9, 30, null), at(null, null, null)];
            const given = (freshness, cursor) => ({ rows: [{}], freshness, cursor });
            return [
                await read(given(late, 'next'), given(well), given(well)),
                await read(given(late), given(idle)),
                await read(given(well), given(late)),
                await read(given(none), given(idle)),
                await read(given(none), given(none)),
            ];
        }"""
    )
    first, ninth = "2026-03-01T12:00:01Z", "2026-03-01T12:00:09Z"
    assert found == [
        [3, first, 60, 58],
        [2, first, 60, 58],
        [2, first, 60, 58],
        [2, ninth, 30, None],
        [2, None, None, None],
    ]


def test_the_time_of_a_text_among_bars_is_in_the_panels_zone(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { ranking } = await import('./charts/ranking.js');
            const view = { isList: false, shown: null, parts: [{ name: 'last', of: () => Number.NaN }] };
            const row = { last: { value: 'north', at: '2024-06-01T00:00:00Z' } };
            return [null, 'Asia/Tokyo'].map((zone) => ranking([['a', row]], view, zone)[0].textContent);
        }"""
    )
    times = ["Sat, 1 Jun 2024, 00:00:00 UTC", "Sat, 1 Jun 2024, 09:00:00"]
    assert found == [f"anorth ({time})" for time in times]


def test_a_band_of_overlapping_windows_has_no_moving_window(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { viewsOf } = await import('./data/views.js');
            const measures = ['mean', 'variance'].map((kind) => ({ name: kind, kind, field: 'x' }));
            const overlapping = measures.map((measure) => ({ ...measure, additive: false }));
            return [measures, overlapping].map((all) => viewsOf(all).map(({ hasWindow }) => hasWindow));
        }"""
    )
    assert found == [[True, True, True], [False, False, False]]


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
