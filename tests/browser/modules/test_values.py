"""The page's modules for numbers and times, run in the browser and compared with Python's decimals and time zones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from playwright.sync_api import Page

from tailrace.definition.groups.buckets import BucketGroup
from tailrace.encoding.tagged_json import dumps
from tests.browser.fake_api import BUCKETS, FakeApi, day
from tests.browser.modules.clock_changes import CLOCK_CHANGES
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

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


def test_buckets_end_where_the_next_one_starts(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    asked = []
    for zone in ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"):
        for unit, size in BUCKETS:
            bucket = BucketGroup("at", unit, unit, ZoneInfo(zone), size)
            for step in range(60):
                moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=147 * step, minutes=7 * step)
                asked.append((bucket.label(moment), unit, size, zone, moment.timestamp() * 1000))
    found = page.evaluate(
        """async (all) => {
            const { bucketEnd, bucketStart, unitOf } = await import('./values/times.js');
            return all.map(([label, kind, size, zone]) => {
                const start = bucketStart(label, zone);
                return [start, bucketEnd(start, unitOf(size === 1 ? { kind } : { kind, size }), zone)];
            });
        }""",
        asked,
    )
    for (label, unit, size, zone, instant), (start, end) in zip(asked, found, strict=True):
        assert start <= instant < end, (label, unit, size, zone)
        bucket = BucketGroup("at", unit, unit, ZoneInfo(zone), size)
        assert bucket.label(datetime.fromtimestamp((end - 1) / 1000, UTC)) == label
        assert bucket.label(datetime.fromtimestamp(end / 1000, UTC)) != label


def test_hours_that_share_a_name_have_different_texts(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { bucketStart, formatBucket, formatInstant } = await import('./values/times.js');
            const berlin = 'Europe/Berlin';
            const hours = ['01:00+02:00', '02:00+02:00', '02:00+01:00', '03:00+01:00'];
            const starts = hours.map((hour) => bucketStart(`2024-10-27T${hour}`, berlin));
            return [
                ...starts.map((start) => formatBucket(start, 'hour', berlin)),
                formatBucket(bucketStart('2024-10-27', berlin), 'day', berlin),
                formatBucket(starts[2], '15 minutes', berlin, true),
                formatInstant('2024-10-27T01:30:05Z', berlin),
                formatInstant('2024-03-31T01:30:00Z', berlin),
                formatInstant('2024-10-27T01:30:00Z', null),
            ];
        }"""
    )
    day_text = "Sun, 27 Oct 2024"
    assert found == [
        f"{day_text}, 01:00",
        f"{day_text}, 02:00 GMT+2",
        f"{day_text}, 02:00 GMT+1",
        f"{day_text}, 03:00",
        day_text,
        f"{day_text}, 02:00 GMT+1, so far",
        f"{day_text}, 02:30:05 GMT+1",
        "Sun, 31 Mar 2024, 03:30:00",
        f"{day_text}, 01:30:00 UTC",
    ]


def test_shown_fields_are_told_by_what_the_measure_shows(serve: Serve, visit: Visit) -> None:
    """In its order, also if a field is called `count` like the number of a frequent value, or like an array's index."""
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { exactText, shownFields } = await import('./values/format.js');
            const { valueList } = await import('./charts/lists.js');
            const measures = [
                { kind: 'largest', show: ['lines.count', '7'] },
                { kind: 'smallest', show: ['count'] },
                { kind: 'largest' },
                { kind: 'top' },
            ];
            const value = [{ value: 90, count: 3, 7: 'a' }, { value: 80, count: null, 7: null }];
            return measures.map((measure) => {
                const shown = shownFields(measure);
                const drawn = [...valueList(value, { shown }).children];
                const width = (entry) => entry.querySelector('.bar').style.width;
                return [exactText(value, shown), drawn.map((entry) => [entry.textContent, width(entry)])];
            });
        }"""
    )
    assert found == [
        ["90 (3, a), 80 (–, –)", [["3, a90", "100%"], ["–, –80", "88.8889%"]]],
        ["90 (3), 80 (–)", [["390", "100%"], ["–80", "88.8889%"]]],
        ["90, 80", [["190", "100%"], ["280", "88.8889%"]]],
        ["90 × 3, 80 × ", [["903", "100%"], ["80", "0%"]]],
    ]


POSITIONS = """async (values) => {
    const { exactText } = await import('./values/format.js');
    const shown = values.map((value) => {
        const cell = document.createElement('p');
        cell.textContent = exactText(value, Array.isArray(value) ? null : undefined);
        document.body.append(cell);
        const text = cell.firstChild.data;
        return [...text].flatMap((character, index) => {
            if (!'123456789'.includes(character)) return [];
            const range = document.createRange();
            range.setStart(cell.firstChild, index);
            range.setEnd(cell.firstChild, index + 1);
            return [[range.getBoundingClientRect().left, character]];
        }).sort(([one], [other]) => one - other).map(([, character]) => character).join('');
    });
    return shown;
}"""
"""A function: the digits of values as they are seen from left to right."""


def test_values_in_any_direction_leave_the_numbers_next_to_them(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    hostile = [
        "abc",
        "\u202eabc",
        "\u202e\u2067abc",
        "\u2069\u202eabc",
        "\u2069\u2069\u202e\u2066\u2069\u2069abc",
        "שלום",
        "سلام",
    ]
    lists = [[{"value": value, "count": 12}, {"value": "x", "count": 345}] for value in hostile]
    times = [{"value": value, "at": "1234-56-78"} for value in hostile]
    assert page.evaluate(POSITIONS, lists) == ["12345"] * len(hostile)
    assert page.evaluate(POSITIONS, times) == ["12345678"] * len(hostile)
