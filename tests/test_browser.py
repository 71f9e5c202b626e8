"""Pages work in a real browser: sort, filter, no request, nothing hostile runs."""

import shutil
from dataclasses import replace

import pytest

from lime_cli.engine.model import CodedWarning
from lime_cli.formats.html import fragment
from tests.formats.test_html import HOSTILE, of_picture, of_text
from tests.formats.test_json import explanation, written

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open explanations as a page; at the end nothing was asked for and nothing complained."""
    said, asked, contexts = [], [], []

    def open_page(explanations, **options):
        path = tmp_path / "page.html"
        path.write_bytes(written("html", explanations))
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [one for one in asked if not one.startswith(("file:", "data:"))] == []
    assert sum(one.startswith("file:") for one in asked) == len(contexts)


def several():
    for i, fidelity in enumerate((0.5, 0.9, 0.1)):
        one = explanation(f"age > {i}")
        surrogate = replace(one.surrogates[0], fidelity=fidelity)
        yield replace(one, subject=replace(one.subject, id=f"A{i}"), surrogates=(surrogate,))


def names(page):
    return [
        row.locator("td").first.inner_text()
        for row in page.locator("table.list tbody tr").all()
        if row.is_visible()
    ]


def test_a_click_on_a_header_sorts_by_number_both_ways(opened):
    page = opened(several())
    head = page.get_by_role("button", name="fidelity")
    head.click()
    assert names(page) == ["people.csv A2", "people.csv A0", "people.csv A1"]
    head.click()
    assert names(page) == ["people.csv A1", "people.csv A0", "people.csv A2"]


def test_headers_sort_by_the_keyboard_too(opened):
    page = opened(several())
    page.get_by_role("button", name="instance").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert names(page)[0] == "people.csv A2"


def test_the_filter_keeps_rows_that_have_all_words(opened):
    page = opened(several())
    page.get_by_role("searchbox").fill("a1 yes")
    assert names(page) == ["people.csv A1"]
    assert page.locator("#count").inner_text() == "1 of 3"


def test_a_link_opens_the_explanation(opened):
    page = opened(several())
    page.get_by_role("link", name="people.csv A1").click()
    assert page.locator("#i2").get_attribute("open") is not None
    assert page.locator("#i2 .waterfall").is_visible()


def test_a_segment_and_its_line_have_the_same_number(opened):
    page = opened([of_picture()])
    number = page.locator(".image text.name").text_content()
    assert f"superpixel {number}" in page.locator("tr[data-component]").inner_text()


def test_bars_are_where_their_numbers_say(opened):
    """A bar is as long as its weight, and begins where the one before ends."""
    page = opened(
        [of_text("a good, bad day", [(2, 6), (8, 11)], [0.4, -0.1])], java_script_enabled=False
    )
    boxes = [one.bounding_box() for one in page.locator("tr.weight rect.bar").all()]
    assert boxes[0]["width"] == pytest.approx(4 * boxes[1]["width"], rel=0.02)
    assert boxes[0]["x"] + boxes[0]["width"] == pytest.approx(
        boxes[1]["x"] + boxes[1]["width"], abs=1
    )


@pytest.mark.parametrize("count", [1, 3])
def test_a_hostile_name_is_inert(opened, count):
    one = explanation(HOSTILE, HOSTILE)
    hostile = replace(one, warnings=(CodedWarning("x", HOSTILE),))
    page = opened([hostile] * count)
    page.wait_for_timeout(100)
    assert page.locator("img").count() == 0


def test_a_hostile_text_is_inert(opened):
    page = opened([of_text(HOSTILE + " good", [(2, 8), (38, 42)], [0.3, 0.2])])
    assert HOSTILE in page.locator(".passage").inner_text()


def test_the_page_can_be_read_without_its_script(opened):
    page = opened(several(), java_script_enabled=False)
    assert len(names(page)) == 3
    assert not page.locator(".controls").is_visible()


def test_dark_and_light_differ_and_narrow_pages_do_not_scroll_sideways(opened):
    grounds = []
    for scheme in ("light", "dark"):
        page = opened(
            [of_text("a good day", [(2, 6)], [0.4])],
            color_scheme=scheme,
            viewport={"width": 380, "height": 700},
        )
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 380
    assert grounds[0] != grounds[1]


def test_everything_is_printed_and_nothing_is_cut_off(opened):
    """On paper folded parts are open, and tables are as wide as the page at most."""
    page = opened(list(several()), viewport={"width": 700, "height": 900})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    folded = page.locator("details.instance").first
    assert folded.locator(".waterfall").first.is_visible()
    wide = page.evaluate(
        "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > innerWidth).length"
    )
    assert wide == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


@pytest.mark.parametrize("width", [400, 800, 1600])
def test_the_list_fits_a_screen_of_any_width(opened, width):
    page = opened(list(several()), viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('.wide').scrollWidth") <= width


NOTEBOOK = (
    ".output dt{float:left;width:20%}.output dd{float:left;width:80%}"
    ":not(.markdown).common :is(td, th, tr){text-align:right}"
    ".common tbody tr:nth-child(even){background:#eee}"
)
"""What JupyterLab says about outputs that hold lists or tables, in its own way."""


def test_a_part_of_a_notebook_keeps_its_shape_under_the_rules_of_the_notebook(browser):
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    parts = fragment([explanation("age > 40")], []), fragment(several(), [])
    page.set_content(f'<style>{NOTEBOOK}</style><div class="output common">{"".join(parts)}</div>')
    boxes = [
        (question.bounding_box(), question.locator("+ dd").bounding_box())
        for question in page.locator(".limex > .case .asked dt").all()
    ]
    assert len({asked["x"] for asked, _ in boxes}) == 1 < len(boxes)
    assert all(asked["y"] + asked["height"] <= answer["y"] for asked, answer in boxes)
    shown = "one => [getComputedStyle(one).textAlign, getComputedStyle(one).backgroundColor]"
    rows = page.locator(".list td:not(.number)")
    assert {one.evaluate(shown)[0] for one in rows.all()} == {"left"}
    grounds = {one.evaluate(shown)[1] for one in page.locator("tbody tr").all()}
    assert grounds == {"rgba(0, 0, 0, 0)"}
    page.close()
