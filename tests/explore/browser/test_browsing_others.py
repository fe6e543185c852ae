from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="needs Playwright")

from playwright.sync_api import expect

from explore.browser.browsing import Watch, find_proposals
from serve.running import likes
from tastemap.explore import texts


def test_the_header_leads_to_every_page(watch: Watch) -> None:
    page = watch.open("/")
    for path, name in texts.PAGES.items():
        page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"**/explore{path}*")
        expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_text([name])
        expect(page).to_have_title(f"{name} – {texts.NAME}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(watch.server.url)
    page.wait_for_url("**/explore/")


def test_a_map_is_made_and_walked(watch: Watch) -> None:
    page = watch.open("/map?model=als")
    expect(page.locator(".regions table").first).to_be_visible(timeout=180_000)
    chart = page.get_by_role("img")
    items = likes().to_frame("polars")["item"].n_unique()
    regions = page.locator(".regions table").first.locator("tbody tr").count()
    expect(chart).to_have_attribute("aria-label", texts.MAP_NAME.format(items=items, regions=regions))
    for name in (texts.MAP_ZOOM_IN, texts.MAP_ZOOM_OUT, texts.MAP_WHOLE):
        page.get_by_role("button", name=name).click()
    page.get_by_role("combobox", name=texts.MAP_COLOUR).select_option("year")
    page.wait_for_url("**colour=year*")
    field = page.get_by_role("combobox", name=texts.MAP_FIND)
    field.press_sequentially("star wars")
    expect(find_proposals(page, texts.MAP_FIND)).to_have_count(1)
    field.press("Enter")
    expect(page.get_by_text("Star Wars: Episode IV - A New Hope (1977) is on the map")).to_be_visible()
    person = page.get_by_role("combobox", name=texts.MAP_PERSON)
    person.press_sequentially("zoe")
    expect(find_proposals(page, texts.MAP_PERSON)).to_have_count(1)
    person.press("Enter")
    shown = page.get_by_text("Zoé Ångström: ")
    expect(shown).to_contain_text("10 recommendations are on the map")
    page.get_by_role("button", name=texts.MAP_HIDE).click()
    expect(shown).to_have_count(0)
    page.get_by_role("button", name="Show ").last.click()


def test_data_and_models_are_told_in_tables(watch: Watch) -> None:
    page = watch.open("/data")
    expect(page.get_by_text(texts.DATA_INTRO.format(model="als"))).to_be_visible()
    for title in (texts.TAIL, texts.HISTORIES, texts.ACTIVITY):
        figure = page.get_by_role("region", name=title, exact=True)
        expect(figure.locator("canvas, svg").first).to_be_visible()
        figure.get_by_text(texts.AS_TABLE).click()
        expect(figure.get_by_role("table")).to_be_visible()
    page = watch.open("/models")
    expect(page.get_by_text(texts.BOARD_MISSING)).to_be_visible()
    lists = page.get_by_role("region", name=texts.LISTS, exact=True)
    expect(lists.get_by_role("rowheader")).to_have_text(["als", "ease", "popular"])
    card = page.get_by_role("region", name="ease", exact=True)
    card.get_by_text(texts.CARD, exact=True).click()
    expect(card.locator("pre")).to_contain_text("EASE")


def test_an_unknown_page_says_so(watch: Watch) -> None:
    page = watch.open("/nothing")
    expect(page.get_by_role("heading", name=texts.UNKNOWN_PAGE)).to_be_visible()
    page.get_by_role("link", name=texts.PAGES["/people"]).click()
    expect(page.get_by_role("heading", name=texts.PEOPLE_TITLE)).to_be_visible()
