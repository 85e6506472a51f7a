"""What the page says about the stack: the header is the worst of all tiles, and each tile says what is so."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi, day, row, stage, stages
from tests.browser.page_state import wait_for
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


def shown(page: Page, name: str) -> tuple[str | None, str | None]:
    """Return a tile's state, and its number of failures."""
    card = page.locator(f"[data-stage={name}]")
    return card.get_attribute("data-state"), card.locator("dl > div:nth-child(2) dd").text_content()


def health(api: FakeApi, routes: tuple[Any, ...] = (), counts: Any = None, **values: Any) -> None:
    """Set what the API reports."""
    api.health = {
        "stages": stages(**values),
        "routes": list(routes),
        "files_failed": 0,
        "quarantined_today": 0,
        "given_up": 0,
        "write_entrances": "on",
    } | (counts or {})


ASKED_EVERY_MS = 2000
"""How often the page asks for the health."""
CASES: list[tuple[str, dict[str, Any], str, str, dict[str, tuple[str, str]]]] = [
    (
        "dead letters of a route",
        {"routes": (stage("alarms", failed=0), stage("large-orders", failed=20))},
        "failed",
        "Route large-orders: 20 messages failed",
        {"routes": ("failed", "20"), "archive": ("well", "0")},
    ),
    (
        "dead letters of the intake queue",
        {"ingest": {"failed": 1}},
        "failed",
        "Intake queue: 1 message failed",
        {"ingest": ("failed", "1"), "fanout": ("well", "0")},
    ),
    (
        "refused files",
        {"load": {"refused": 4}, "counts": {"files_failed": 4}},
        "failed",
        "Files: 4 files failed",
        {"load": ("failed", "4"), "catalog": ("well", "0")},
    ),
    (
        "files or objects that were given up",
        {"load": {"refused": 4}, "catalog": {"retried": 3}, "counts": {"files_failed": 5}},
        "failed",
        "Files: 5 files failed · Catalog: 1 file or object given up",
        {"load": ("failed", "5"), "catalog": ("failed", "1")},
    ),
    (
        "items refused in files and in the queue",
        {"load": {"quarantined_today": 7}, "ingest": {"quarantined_today": 2}, "counts": {"quarantined_today": 9}},
        "late",
        "Files: 7 items quarantined today · Intake queue: 2 items quarantined today",
        {"load": ("late", "7"), "ingest": ("late", "2"), "fanout": ("well", "0")},
    ),
    (
        "items refused in the stream",
        {"fanout": {"quarantined_today": 3}, "counts": {"quarantined_today": 3}},
        "late",
        "Fan-out: 3 items quarantined today",
        {"fanout": ("late", "3")},
    ),
    (
        "items and a message of the queue",
        {"ingest": {"failed": 1, "quarantined_today": 2}},
        "failed",
        "Intake queue: 1 message failed · Intake queue: 2 items quarantined today",
        {"ingest": ("failed", "1 message, 2 items")},
    ),
    (
        "discarded batches of either reader",
        {"counts": {"given_up": 1}},
        "failed",
        "Fan-out: 1 batch of the stream given up · Aggregation: 1 batch of the stream given up",
        {"fanout": ("failed", "1"), "aggregate": ("failed", "1"), "rows": ("well", "–")},
    ),
    (
        "fan-out is behind",
        {"fanout": {"behind_s": 26}},
        "late",
        "Fan-out is 26 s behind",
        {"fanout": ("late", "0"), "aggregate": ("well", "0")},
    ),
    (
        "what is worse comes first",
        {"fanout": {"behind_s": 26}, "archive": {"failed": 2}},
        "failed",
        "Archive: 2 messages failed · Fan-out is 26 s behind",
        {"archive": ("failed", "2"), "fanout": ("late", "0")},
    ),
    (
        "a lag comes before refused items",
        {"load": {"quarantined_today": 1}, "ingest": {"quarantined_today": 1}, "aggregate": {"behind_s": 30}},
        "late",
        "Aggregation is 30 s behind · Files: 1 item quarantined today · Intake queue: 1 item quarantined today",
        {"aggregate": ("late", "0"), "rows": ("late", "–")},
    ),
    (
        "a queue that cannot be read now",
        {"archive": {"waiting": None, "in_work": None, "failed": None}},
        "unknown",
        "Archive: unknown",
        {"archive": ("unknown", "–")},
    ),
    (
        "counts that cannot be read now",
        {"counts": {"files_failed": None, "given_up": None}, "load": {"refused": None}},
        "unknown",
        "Files: unknown · Fan-out: unknown · Aggregation: unknown · 1 more",
        {"load": ("unknown", "–"), "catalog": ("unknown", "–"), "fanout": ("unknown", "–")},
    ),
    (
        "more refused lines of files than a listing reaches beyond",
        {
            "load": {"quarantined_today": 1000},
            "ingest": {"quarantined_today": None},
            "fanout": {"quarantined_today": None},
            "counts": {"quarantined_today": 1000},
        },
        "late",
        "Files: 1,000 items quarantined today · Intake queue: unknown · Fan-out: unknown",
        {"load": ("late", "1,000"), "ingest": ("unknown", "–"), "fanout": ("unknown", "–")},
    ),
    (
        "no batch for a while",
        {
            "fanout": {"behind_s": None, "age_s": 300},
            "aggregate": {"behind_s": None, "age_s": 300},
        },
        "well",
        "Live · no changes for 5 min",
        {"fanout": ("idle", "0"), "aggregate": ("idle", "0"), "rows": ("idle", "–")},
    ),
    (
        "no batch at all",
        {"aggregate": {"behind_s": None, "age_s": None, "newest_change": None}},
        "well",
        "Live · no changes in two days",
        {"aggregate": ("idle", "0"), "routes": ("none", "–")},
    ),
]


def test_the_header_is_the_worst_of_all_tiles(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    page = visit(serve(api.respond).url, clock=True)
    state = page.locator("#state")
    expect(state).to_have_text("Live · 1 s behind")
    for name, values, kind, sentence, tiles in CASES:
        health(api, **values)
        page.clock.fast_forward(ASKED_EVERY_MS)
        expect(state, name).to_have_text(sentence)
        assert state.get_attribute("data-state") == kind, name
        assert {tile: shown(page, tile) for tile in tiles} == tiles, name
        if kind == "failed":
            page.screenshot(path=SCREENSHOTS / f"header-{name.replace(' ', '-')}.png")
    expect(page.locator("[data-stage=aggregate] dl > div:nth-child(1) dd")).to_have_text("idle")


def test_an_api_of_an_earlier_release_is_understood(serve: Serve, visit: Visit) -> None:
    """It does not report where items and files were refused."""
    api = FakeApi(rows=day())
    page = visit(serve(api.respond).url, clock=True)
    api.health["routes"] = [{"name": "alarms", "waiting": 0, "failed": 0}]
    for one in api.health["stages"]:
        for name in ("quarantined_today", "refused", "retried"):
            one.pop(name, None)
        if "behind_s" in one:
            one["behind_s"] = 0
    page.clock.fast_forward(ASKED_EVERY_MS)
    expect(page.locator("#state")).to_have_text("Live · up to date")
    expect(page.locator("[data-stage=routes] dl")).to_have_text(re.compile("Failed0Rate–"))
    api.health |= {"quarantined_today": 2, "files_failed": 3}
    page.clock.fast_forward(ASKED_EVERY_MS)
    expect(page.locator("#state")).to_have_attribute("data-state", "failed")
    assert [shown(page, name) for name in ("load", "ingest", "fanout", "catalog")] == [
        ("failed", "3"),
        ("well", "0"),
        ("late", "2"),
        ("failed", "3"),
    ]


def test_a_tile_names_the_routes_that_failed(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    routes = (stage("alarms", failed=0), stage("large-orders", failed=20), stage("late", failed=2))
    health(api, routes)
    page = visit(serve(api.respond).url, clock=True)
    causes = page.locator("[data-stage=routes] .causes")
    expect(causes).to_have_text("large-orders: 20 messages failed; late: 2 messages failed")
    health(api, (stage("alarms"), stage("late")))
    page.clock.fast_forward(ASKED_EVERY_MS)
    expect(causes).to_be_hidden()


def test_without_stages_the_header_does_not_say_live(serve: Serve, visit: Visit) -> None:
    """After a tab was hidden for long, nobody has waited for a response yet, and the last one is too old."""
    api = FakeApi(rows=day())
    page = visit(serve(api.respond).url)
    expect(page.locator("#state")).to_have_text("Live · 1 s behind")
    api.problem = (503, {"title": "Try again later"})
    seen = page.evaluate(
        """async () => {
            const real = Date.now;
            Date.now = () => real() + 600_000;
            const isUnknown = () => document.querySelector('[data-stage=load]').dataset.state === 'unknown';
            for (let turn = 0; turn < 400 && !isUnknown(); turn += 1) await new Promise((done) => setTimeout(done, 25));
            await new Promise((done) => setTimeout(done, 1100));
            return document.querySelector('#state').textContent;
        }"""
    )
    assert "Live" not in seen


def test_a_panel_that_fails_alone_shows_in_the_header(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows={"sensor_hours": [row("s0", hour, 1) for hour in range(5)]})

    def respond(path: str, query: str, headers: Any) -> Any:
        if path.endswith("/rows") and api.too_many_groups:
            return 422, {"Content-Type": "application/problem+json"}, '{"title": "Too much"}'
        return api.respond(path, query, headers)

    page = visit(serve(respond).url)
    api.too_many_groups = True
    expect(page.locator("#state")).to_have_text("1 panel is not up to date")
    wait_for(page, "document.querySelector('#state').dataset.state === 'late'")


def test_entrances_that_write_nothing_say_so(
    serve: Serve, visit: Visit, violations: Callable[[Page], list[str]]
) -> None:
    api = FakeApi(rows=day())
    health(api, counts={"write_entrances": "off"})
    page = visit(serve(api.respond).url, clock=True)
    words = {name: page.locator(f"[data-stage={name}] .word") for name in ("api", "load", "ingest", "items", "fanout")}
    for name in ("api", "load", "ingest"):
        expect(words[name]).to_have_text("writes off")
        expect(page.locator(f"[data-stage={name}]")).to_have_attribute("title", re.compile("WriteEntrances=on"))
    expect(words["items"]).to_be_empty()
    expect(words["fanout"]).to_be_empty()
    expect(page.locator("#state")).to_have_text("Live · 1 s behind")
    page.locator("#stages").screenshot(path=SCREENSHOTS / "writes-off.png")
    assert violations(page) == []
    health(api, load={"quarantined_today": 3}, counts={"write_entrances": "off"})
    page.clock.fast_forward(ASKED_EVERY_MS)
    expect(words["load"]).to_have_text("quarantined today")
    expect(page.locator("[data-stage=load]")).to_have_attribute("title", re.compile("refuses every item here"))
    health(api)
    page.clock.fast_forward(ASKED_EVERY_MS)
    expect(words["ingest"]).to_be_empty()
