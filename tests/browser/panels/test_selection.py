"""The dialog that selects values of a group: by clicking, searching and typing."""

import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from playwright.sync_api import Locator, Page, expect

from tailrace.encoding.json_types import Json
from tests.browser.fake_api import FakeApi, day, hours, row
from tests.browser.page_state import wait_for
from tests.browser.site import Response, Site

type Serve = Callable[..., Site]
type Visit = Callable[..., Page]

CHOOSE = """async ([values, selected, max]) => {
    const { choose } = await import('./elements/chooser.js');
    const entries = values.map((value) => ({ value, label: value, items: null }));
    const options = { heading: 'Select', entries, selected, max, allowsTyping: true, loadMore: null };
    choose(options).then((chosen) => { window.chosen = { chosen }; });
}"""


@pytest.fixture
def opened(serve: Serve, visit: Visit) -> Callable[..., Locator]:
    """Return a function that opens the dialog on a page."""

    def open_dialog(values: Sequence[str], selected: Sequence[str] = (), most: int = 8) -> Locator:
        page = visit(serve(FakeApi(rows=day()).respond).url)
        page.evaluate(CHOOSE, [values, selected, most])
        return page.get_by_role("dialog")

    return open_dialog


def applied(dialog: Locator) -> list[str]:
    """Click Apply and return what is selected."""
    page = dialog.page
    dialog.get_by_role("button", name="Apply").click()
    found: list[str] = wait_for(page, "window.chosen")["chosen"]
    return found


def test_a_typed_value_is_taken_as_it_is(opened: Callable[..., Locator]) -> None:
    dialog = opened(["sensor-10", "other"])
    search = dialog.get_by_role("searchbox")
    search.fill("sensor-1")
    expect(dialog.get_by_role("checkbox")).to_have_count(1)
    expect(dialog.get_by_role("status")).to_have_text("1 value listed. Press Enter to use the value you typed.")
    search.press("Enter")
    search.fill("other")
    expect(dialog.get_by_role("status")).to_have_text("1 value listed.")
    search.press("Enter")
    assert applied(dialog) == ["sensor-1", "other"]


def test_the_name_of_the_empty_text_stands_for_it_unless_a_value_has_it(opened: Callable[..., Locator]) -> None:
    for values, expected in ((["a"], ""), (["(empty)"], "(empty)")):
        dialog = opened(values)
        dialog.get_by_role("searchbox").fill("(empty)")
        dialog.get_by_role("searchbox").press("Enter")
        assert applied(dialog) == [expected]


@pytest.mark.parametrize("most", [1, 8])
def test_apply_takes_a_typed_value_that_was_not_entered(opened: Callable[..., Locator], most: int) -> None:
    dialog = opened(["sensor-10"], most=most)
    dialog.get_by_role("searchbox").fill("sensor-1")
    assert applied(dialog) == ["sensor-1"]


@pytest.mark.parametrize(("most", "role"), [(1, "radio"), (8, "checkbox")])
def test_a_text_that_a_row_was_searched_with_is_no_value(opened: Callable[..., Locator], most: int, role: str) -> None:
    dialog = opened(["sensor-10"], most=most)
    dialog.get_by_role("searchbox").fill("sensor-1")
    dialog.locator(f"input[type={role}]").check()
    assert applied(dialog) == ["sensor-10"]


def test_a_typed_value_without_room_keeps_the_dialog_open(opened: Callable[..., Locator]) -> None:
    dialog = opened(["a", "b"], ["a", "b"], most=2)
    dialog.get_by_role("searchbox").fill("c")
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog.get_by_role("status")).to_have_text(
        "2 values are selected, which is the maximum. Deselect one, or clear the text."
    )
    dialog.get_by_role("searchbox").fill("")
    dialog.get_by_role("checkbox", name="b").uncheck()
    dialog.get_by_role("searchbox").fill("c")
    assert applied(dialog) == ["a", "c"]


def test_a_deselected_typed_value_leaves_its_row_and_the_limit(opened: Callable[..., Locator]) -> None:
    dialog = opened(["a", "b"], ["typed", "a"], most=2)
    dialog.get_by_role("checkbox", name="typed").uncheck()
    dialog.get_by_role("checkbox", name="b").check()
    expect(dialog.get_by_role("checkbox", name="typed")).to_be_disabled()
    expect(dialog.get_by_role("checkbox", name="a")).to_be_enabled()
    assert applied(dialog) == ["a", "b"]


def by_shop() -> Json:
    """Return the definition of an aggregate whose panel shows one shop at a time."""
    described = hours("shop_hours")
    described["groups"] = [
        {"name": "shop", "kind": "field", "field": "shop"},
        described["groups"][1],
        {"name": "sensor", "kind": "field", "field": "sensor"},
    ]
    return described


def shop_rows() -> list[Json]:
    """Return rows of two shops, one of them without a name."""
    return [row("s1", hour, 4 - len(shop)) | {"shop": shop} for shop in ("", "b") for hour in range(5)]


def test_a_value_can_be_typed_where_none_is_known(serve: Serve, visit: Visit) -> None:
    """In a panel of one value of a group, whose values are not listed."""
    page = visit(serve(FakeApi([by_shop() | {"listed": False}], {"shop_hours": shop_rows()}).respond).url, ready=False)
    expect(page.locator(".panel .empty")).to_contain_text("Enter a value to see its rows.")
    shop = page.locator(".controls .chosen").first
    shop.click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("0 values listed.")
    page.get_by_role("searchbox").fill("b")
    page.get_by_role("searchbox").press("Enter")
    expect(shop).to_have_text("Shop: b")
    expect(page.locator(".legend .name")).to_have_text(["s1"])


def test_values_that_cannot_be_listed_can_be_typed(serve: Serve, visit: Visit) -> None:
    """The dialog says why, and opens once however often its button is clicked before the API responds."""
    api = FakeApi([by_shop()], {"shop_hours": shop_rows()})
    refused = (429, {"Content-Type": "application/json"}, '{"message": "Too Many Requests"}')
    lists = [True]

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if path.endswith("/groups") and not lists[0]:
            time.sleep(0.5)
            return refused
        return api.respond(path, query, headers)

    page = visit(serve(respond).url)
    lists[0] = False
    shop = page.locator(".controls .chosen").first
    shop.dblclick()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_count(1)
    expect(dialog.get_by_role("status")).to_have_text("Too Many Requests. 1 value listed.")
    page.get_by_role("searchbox").fill("b")
    page.get_by_role("searchbox").press("Enter")
    expect(dialog).to_have_count(0)
    expect(shop).to_have_text("Shop: b")


def test_the_button_names_the_value_that_was_chosen(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi([by_shop()], {"shop_hours": shop_rows()}).respond).url)
    shop = page.locator(".controls .chosen").first
    expect(shop).to_have_text("Shop: (empty)")
    shop.click()
    expect(page.get_by_role("radio", checked=True)).to_have_accessible_name("(empty) 20")
    page.get_by_role("searchbox").fill("nowhere")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".panel .empty")).to_have_text("No rows in this group.")
    expect(shop).to_have_text("Shop: nowhere")
    expect(page.get_by_role("button", name="Download CSV")).to_be_disabled()
    shop.click()
    page.get_by_role("searchbox").fill("(empty)")
    page.get_by_role("searchbox").press("Enter")
    expect(shop).to_have_text("Shop: (empty)")
    expect(page.locator(".legend .name")).to_have_text(["s1"])


def test_a_value_without_rows_leaves_no_remark_about_another_one(serve: Serve, visit: Visit) -> None:
    rows = [*shop_rows(), *({**one, "hour": "2099-01-01T00:00+00:00"} for one in shop_rows()[:1])]
    page = visit(serve(FakeApi([by_shop()], {"shop_hours": rows}).respond).url)
    remarks = page.locator(".panel .note:visible")
    expect(remarks).to_contain_text(["1 bucket far from all others is left out", "Readings by hour"])
    page.locator(".controls .chosen").first.click()
    page.get_by_role("searchbox").fill("nowhere")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".panel .empty")).to_have_text("No rows in this group.")
    assert "".join(remarks.all_text_contents()) == ""


def test_a_value_without_rows_hides_no_other(serve: Serve, visit: Visit) -> None:
    unlisted = hours() | {"listed": False}
    page = visit(serve(FakeApi([unlisted], day(1, 5)).respond).url, ready=False)
    expect(page.locator(".panel .empty")).to_contain_text("Enter a value to see its rows.")
    page.get_by_role("button", name="Filter by sensor …").click()
    for value in ("nowhere", "s0"):
        page.get_by_role("searchbox").fill(value)
        page.get_by_role("searchbox").press("Enter")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".legend .name")).to_have_text(["nowhere", "s0"])
    expect(page.locator(".panel .empty")).to_be_hidden()


def test_a_listed_value_whose_rows_have_expired_hides_no_other(serve: Serve, visit: Visit) -> None:
    rows = day(2, 5)["sensor_hours"]
    api = FakeApi(rows={"sensor_hours": rows})
    respond = api.respond

    def without_the_first(path: str, query: str, headers: Mapping[str, str]) -> Response:
        api.rows = {"sensor_hours": rows if path.endswith("/groups") else rows[5:]}
        return respond(path, query, headers)

    page = visit(serve(without_the_first).url)
    expect(page.locator(".legend .name")).to_have_text(["s0", "s1"])
    expect(page.locator(".panel .empty")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 1280])
def test_long_values_reach_beyond_nothing(serve: Serve, visit: Visit, width: int) -> None:
    names = ["https://example.org/" + "segment" * 60, "words " * 80]
    rows = [row(name, hour, 5 - place) for place, name in enumerate(names) for hour in range(5)]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url, width=width)
    page.locator(".plot").press("ArrowLeft")
    expect(page.locator(".readout")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("document.querySelector('.readout').offsetWidth < document.querySelector('.plot').offsetWidth")
    expect(page.locator(".legend .name").first).to_have_attribute("title", names[0])


def test_values_that_fit_into_no_address_together_are_read_one_after_the_other(serve: Serve, visit: Visit) -> None:
    """The gateway takes 10,240 bytes of address and headers together."""
    names = [f"{place} {'商品名' * 40}" for place in range(8)]
    rows = [row(name, hour, 9 - place) for place, name in enumerate(names) for hour in range(5)]
    by_name = hours("names") | {"groups": hours()["groups"][:1], "bucket": None, "intervals": []}
    totals = [{key: value for key, value in one.items() if key != "hour"} for one in rows[::5]]
    served = serve(FakeApi([hours(), by_name], {"sensor_hours": rows, "names": totals}).respond)
    page = visit(served.url, height=2000)
    expect(page.locator(".legend .name")).to_have_text(names)
    expect(page.locator("[data-aggregate=names] .ranking .name")).to_have_text(names)
    assert max(map(len, served.requests)) < 5000


def test_a_list_of_values_that_may_lack_some_says_so(serve: Serve, visit: Visit) -> None:
    """The values of a second group come from a thousand rows of the first one."""
    described = by_shop()
    described["groups"] = [described["groups"][0], described["groups"][2], described["groups"][1]]
    rows = [row(f"s{number}", 0, 1) | {"shop": "a"} for number in range(1200)]
    page = visit(serve(FakeApi([described], {"shop_hours": rows}).respond).url)
    sensor = page.locator(".controls .chosen").nth(1)
    expect(sensor).to_have_text("Sensor: s0")
    sensor.click()
    status = page.get_by_role("dialog").get_by_role("status")
    expect(status).to_have_text("There are too many rows to list all values. 1,000 values listed.")
    page.get_by_role("searchbox").fill("s1199")
    expect(status).to_contain_text("0 values listed. Press Enter to use the value you typed.")
    page.get_by_role("searchbox").press("Enter")
    expect(sensor).to_have_text("Sensor: s1199")
