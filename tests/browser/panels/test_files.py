"""Files of several pages, and of an aggregate that is replaced meanwhile."""

from collections.abc import Callable, Mapping

from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day
from tests.browser.site import Response, Site

type Serve = Callable[..., Site]
type Visit = Callable[..., Page]

FILE_OF = """async (texts) => {
    const { downloadCsv } = await import('./panels/download.js');
    let file = null;
    URL.createObjectURL = (blob) => (file = blob, 'blob:');
    HTMLAnchorElement.prototype.click = () => {};
    const api = { getCsv: async () => ({ text: texts.shift(), next: null }) };
    await downloadCsv(api, { name: 'a', path: () => '' }, texts.map(() => []));
    return file.text();
}"""
"""A function: the file of pages, as text."""


def test_a_name_may_have_line_breaks_and_quotes(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    header = 'sensor,"of\r\nthe ""day"""\r\n'
    assert page.evaluate(FILE_OF, [f"{header}a,1\r\n", f"{header}b,2\r\n"]) == f"{header}a,1\r\nb,2\r\n"


def test_a_file_of_another_version_is_not_saved_under_the_names_of_the_old_one(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if headers["accept"] != "text/csv":
            return api.respond(path, query, headers)
        generation = {"Tailrace-Generation": "version=2, state=live, exact=?1"}
        return 200, {"Content-Type": "text/csv"} | generation, "region,readings\r\nnorth,1\r\n"

    page = visit(serve(respond).url)
    downloads: list[str] = []
    page.on("download", lambda download: downloads.append(download.url))
    page.get_by_role("button", name="Download CSV").click()
    text = "The file could not be downloaded: Readers see version 2 of sensor_hours now, not version 1."
    expect(page.get_by_role("status").filter(has_text="The file")).to_have_text(text)
    assert downloads == []
