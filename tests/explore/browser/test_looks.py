from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright", reason="needs Playwright")

from playwright.sync_api import expect

from explore.browser.browsing import COMPLETE, NARROW, VIEWS, WIDE, Watch
from tastemap.explore import texts

# A map is made in a process of its own, some seconds after its page.
LONGEST = 90_000


def judge(page: object) -> list[str]:
    """Return the serious and critical findings of axe-core, each with the first element that it is about."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html']} {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_page_has_a_serious_barrier(watch: Watch, view: str, theme: str) -> None:
    page = watch.open(VIEWS[view], color_scheme=theme)
    page.locator(COMPLETE[view]).first.wait_for(timeout=LONGEST)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert judge(page) == []


def test_a_dialog_has_no_serious_barrier(watch: Watch) -> None:
    page = watch.open("/?item=12&models=als")
    page.get_by_role("button", name="Who has both").first.click()
    page.get_by_role("dialog").get_by_role("link").first.wait_for()
    page.wait_for_timeout(500)  # it comes into view by degrees, and faint text has too little contrast
    assert judge(page) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_all_without_scrolling_sideways(watch: Watch, view: str) -> None:
    page = watch.open(VIEWS[view], size=NARROW, is_mobile=True, has_touch=True)
    page.locator(COMPLETE[view]).first.wait_for(timeout=LONGEST)
    for width in (NARROW[0], 320):
        page.set_viewport_size({"width": width, "height": NARROW[1]})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert judge(page) == []


def test_the_theme_is_the_system_s_until_one_is_chosen(watch: Watch) -> None:
    page = watch.open("/", color_scheme="dark", size=WIDE)
    ground = "getComputedStyle(document.body).backgroundColor"
    page.locator(COMPLETE["items"]).first.wait_for()
    dark = page.evaluate(ground)
    for theme in ("dark", "light"):
        page.get_by_role("button", name="Theme").click()
        expect(page.get_by_role("button", name="Theme")).to_have_text(texts.THEME[theme])
    page.wait_for_function(f"{ground} != {dark!r}")
    # The next page has it too.
    page.goto(f"{watch.server.url}/explore/taste")
    expect(page.get_by_role("button", name="Theme")).to_have_text(texts.THEME["light"])
    assert page.evaluate(ground) != dark


def test_numbers_have_the_reader_s_form(watch: Watch) -> None:
    page = watch.open("/?item=12&models=als", locale="de-DE")
    expect(page.locator(".score").first).to_have_text(re.compile(r"^0,\d{3}$"))
