"""The ticks of the time axis, compared with Python's time zones: they must not depend on the zone of the browser."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.fake_api import FakeApi, day
from tests.browser.modules.clock_changes import CLOCK_CHANGES
from tests.browser.site import Site

type Serve = Callable[..., Site]

HOUR, DAY = 3600, 86_400
TICKS = """async (all) => {
    const { timeTicks } = await import('./charts/time-ticks.js');
    const { formatTimeTick } = await import('./values/times.js');
    return all.map(([from, to, step, zone]) => {
        const ticks = timeTicks(from, to, step, zone);
        return [ticks, ticks.map((tick) => formatTimeTick(tick * 1000, step, zone, null))];
    });
}"""


@pytest.fixture(params=["UTC", "Africa/Cairo", "America/Santiago"])
def page(browser: Browser, serve: Serve, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Return a page in a browser of a zone; two of these skip a midnight."""
    context = browser.new_context(timezone_id=request.param)
    page = context.new_page()
    page.goto(serve(FakeApi(rows=day()).respond).url)
    yield page
    context.close()


def drawn(page: Page, cases: list[tuple[float, float, int, str]]) -> list[Any]:
    found: list[Any] = page.evaluate(TICKS, cases)
    return found


def test_each_day_has_one_tick_where_it_begins(page: Page) -> None:
    changes = [(zone, datetime.fromisoformat(at)) for zone, at in CLOCK_CHANGES]
    before, after = timedelta(days=-3, minutes=7), timedelta(days=3)  # does not begin with a midnight
    cases = [((at + before).timestamp(), (at + after).timestamp(), zone) for zone, at in changes]
    found = drawn(page, [(start, end, DAY, zone) for start, end, zone in cases])
    for (start, end, zone), (ticks, labels) in zip(cases, found, strict=True):
        begins: dict[date, int] = {}
        for second in range(int(start), int(end) + 1, 30):
            begins.setdefault(datetime.fromtimestamp(second, ZoneInfo(zone)).date(), second)
        wanted = list(begins.values())[1:]  # the first day has begun before
        # where the clocks go back into the day before, a day begins with the last midnight
        assert ticks == pytest.approx(wanted, abs=2 * HOUR), zone
        assert len(set(labels)) == len(labels), (zone, labels)


@pytest.mark.parametrize("step", [60, 600, 1800, HOUR, 3 * HOUR, 12 * HOUR])
def test_ticks_within_a_day_are_at_round_times_of_the_zone(page: Page, step: int) -> None:
    changes = [(zone, datetime.fromisoformat(at)) for zone, at in CLOCK_CHANGES if "Monrovia" not in zone]
    around = timedelta(seconds=8 * step)
    cases = [((at - around).timestamp(), (at + around).timestamp(), zone) for zone, at in changes]
    found = drawn(page, [(start, end, step, zone) for start, end, zone in cases])
    for (start, end, zone), (ticks, _) in zip(cases, found, strict=True):
        shown = [datetime.fromtimestamp(second, ZoneInfo(zone)) for second in range(int(start), int(end) + 1, 60)]
        round_times = [one for one in shown if (one.hour * HOUR + one.minute * 60) % step == 0]
        wanted = [one.timestamp() for one in round_times if step <= HOUR or not one.fold]
        assert ticks == wanted, zone


def test_months_years_and_the_ends_of_the_calendar(page: Page) -> None:
    month, year = 30 * DAY, 365 * DAY
    start, end = (datetime(2023, 11, 5, tzinfo=UTC).timestamp(), datetime(2024, 5, 5, tzinfo=UTC).timestamp())
    first, last = (
        datetime(1, 1, 1, tzinfo=UTC).timestamp(),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp(),
    )
    months, weeks, years, _, late, early = drawn(
        page,
        [
            (start, end, 2 * month, "Europe/Berlin"),
            (start, start + 30 * DAY, 7 * DAY, "Europe/Berlin"),
            (first, last, 2500 * year, "Africa/Cairo"),
            (first, first + 20 * DAY, DAY, "America/Santiago"),
            (last - 20 * HOUR, last, 3 * HOUR, "Asia/Kolkata"),
            (first, first + 20 * HOUR, 3 * HOUR, "America/Santiago"),
        ],
    )
    assert months[1] == ["Jan 24", "Mar 24", "May 24"]
    assert weeks[1] == ["6 Nov", "13 Nov", "20 Nov", "27 Nov", "4 Dec"]
    assert years[1] == ["2500", "5000", "7500"]
    assert len(late[0]) > 3
    assert len(early[0]) > 3
