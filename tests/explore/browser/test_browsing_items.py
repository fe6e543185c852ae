from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="needs Playwright")

from playwright.sync_api import expect

from explore.browser.browsing import HARM, HARMFUL, Watch, ask_list, find_proposals, wait_for_list
from tastemap.explore import texts

AMELIE = "Le fabuleux destin d'Amélie Poulain (2001)"


def test_an_item_is_found_by_the_keyboard_alone(watch: Watch) -> None:
    page = watch.open("/")
    expect(page.locator(".chip a").first).to_be_visible()
    field = page.get_by_role("combobox", name=texts.SEARCH_ITEM)
    for _ in range(20):
        page.keyboard.press("Tab")
        if field.evaluate("(field) => field === document.activeElement"):
            break
    page.keyboard.type("amel")
    expect(find_proposals(page, texts.SEARCH_ITEM)).to_have_text([f"{AMELIE}12"])
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_text([f"{AMELIE}12"])
    assert find_proposals(page, texts.SEARCH_ITEM).get_attribute("id") == field.get_attribute("aria-activedescendant")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=AMELIE)).to_be_visible()
    assert "item=12" in page.url


def test_escape_closes_proposals_and_nothing_found_is_said(watch: Watch) -> None:
    page = watch.open("/")
    field = page.get_by_role("combobox", name=texts.SEARCH_ITEM)
    field.press_sequentially("film")
    expect(find_proposals(page, texts.SEARCH_ITEM)).to_have_count(8)
    field.press("Escape")
    expect(find_proposals(page, texts.SEARCH_ITEM)).to_have_count(0)
    field.fill("zzzzzz")
    expect(page.get_by_text(texts.NOTHING_FOUND)).to_be_visible()
    field.fill("amelei")
    expect(page.get_by_text(texts.NEAR)).to_be_visible()
    find_proposals(page, texts.SEARCH_ITEM).first.click()
    expect(page.get_by_role("heading", name=AMELIE)).to_be_visible()


def test_neighbours_are_those_of_the_service_in_each_metric(watch: Watch) -> None:
    page = watch.open("/?item=12")
    for metric in texts.METRICS:
        page.get_by_role("combobox", name=texts.METRIC).select_option(metric)
        wait_for_list(page, "als", ask_list(watch.server, "/similar/items", item=12, model="als", metric=metric))
        ease = page.get_by_role("region", name="ease")
        if metric in ("cosine", "dot"):
            wait_for_list(page, "ease", ask_list(watch.server, "/similar/items", item=12, model="ease", metric=metric))
        else:
            expect(ease.get_by_role("alert")).to_contain_text("EASE compares items by its weights")
        page.wait_for_url(f"**metric={metric}*")


def test_models_are_chosen_and_one_without_neighbours_says_so(watch: Watch) -> None:
    page = watch.open("/?item=12")
    expect(page.get_by_role("region", name="popular").get_by_role("alert")).to_contain_text("This did not work")
    page.get_by_role("checkbox", name="popular").uncheck()
    expect(page.get_by_role("region", name="popular")).to_have_count(0)
    page.get_by_role("checkbox", name="ease").uncheck()
    expect(page.get_by_role("region", name="ease")).to_have_count(0)
    expect(page.get_by_role("region", name="als")).to_be_visible()
    assert "models=als" in page.url


def test_people_who_have_both_are_named(watch: Watch) -> None:
    page = watch.open("/?item=12&models=als")
    both = page.get_by_role("button", name="Who has both").first
    count = both.inner_text().split()[0]
    both.click()
    dialog = page.get_by_role("dialog", name="Who has both")
    expect(dialog.get_by_role("link")).to_have_count(min(int(count), 20))
    dialog.get_by_role("button", name=texts.CLOSE).click()
    expect(dialog).to_have_count(0)


def test_a_title_is_text_and_not_html(watch: Watch) -> None:
    page = watch.open(f"/?item={HARMFUL}")
    expect(page.get_by_role("heading", name=HARM)).to_be_visible()
    field = page.get_by_role("combobox", name=texts.SEARCH_ITEM)
    field.fill(HARM)
    expect(find_proposals(page, texts.SEARCH_ITEM)).to_contain_text([HARM])
    page = watch.open(f"/taste?like={HARMFUL}")
    expect(page.locator(".said")).to_contain_text(HARM)
    expect(page.locator(".why", has_text=HARM).first).to_be_visible()
    assert page.evaluate("window.harm") is None
    assert page.locator("#content img, #content script").count() == 0


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("/?item=999999", texts.UNKNOWN_ITEM.format(item="999999")),
        ("/people?user=nobody", texts.UNKNOWN_PERSON.format(person="nobody")),
        ("/taste?like=999999", texts.UNKNOWN_ITEM.format(item="999999")),
    ],
)
def test_what_nobody_knows_is_said_in_a_sentence(watch: Watch, address: str, sentence: str) -> None:
    page = watch.open(address)
    expect(page.get_by_role("alert")).to_have_text([sentence])


def test_filters_narrow_the_neighbours(watch: Watch) -> None:
    page = watch.open("/?item=12&models=als")
    page.get_by_text(texts.FILTERS, exact=True).click()
    page.get_by_role("combobox", name=texts.COLUMN, exact=True).select_option("year")
    page.get_by_role("combobox", name=texts.SIGN, exact=True).select_option(">=")
    page.get_by_label(texts.VALUE).fill("1990")
    page.get_by_role("button", name=texts.ADD_FILTER).click()
    wanted = ask_list(watch.server, "/similar/items", item=12, model="als", where=["year>=1990"])
    wait_for_list(page, "als", wanted)
    page.get_by_label(texts.VALUE).fill("x")
    page.get_by_role("button", name=texts.ADD_FILTER).click()
    expect(page.get_by_role("alert")).to_contain_text("This did not work")
    page.get_by_role("button", name=texts.REMOVE_FILTER.format(filter="year>=1990")).click()
    wait_for_list(page, "als", ask_list(watch.server, "/similar/items", item=12, model="als"))
