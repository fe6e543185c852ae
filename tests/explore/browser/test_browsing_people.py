from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="needs Playwright")

from playwright.sync_api import expect

from explore.browser.browsing import Watch, address, ask_list, find_proposals, read_list, wait_for_list
from tastemap.explore import texts


def test_a_person_is_found_by_name(watch: Watch) -> None:
    page = watch.open("/people")
    field = page.get_by_role("combobox", name=texts.SEARCH_PERSON)
    field.press_sequentially("zoe ang")
    expect(find_proposals(page, texts.SEARCH_PERSON)).to_have_count(1)
    field.press("Enter")
    expect(page.get_by_role("heading", name="Zoé Ångström")).to_be_visible()
    for model in ("als", "ease", "popular"):
        wait_for_list(page, model, ask_list(watch.server, "/recommend", user="4", model=model))


def test_a_history_stands_beside_lists_with_reasons(watch: Watch) -> None:
    page = watch.open("/people?user=4")
    history = watch.server.ask("/users/4").json["history"]
    expect(page.get_by_role("region", name=texts.HISTORY_NAME).get_by_role("link")).to_have_count(min(len(history), 30))
    titles = [one["title"] for one in history]
    for model in ("als", "ease"):
        reasons = page.get_by_role("region", name=model).locator(".why")
        expect(reasons).to_have_count(10)
        for place in range(10):
            expect(reasons.nth(place)).to_contain_text("because of ")
            assert any(title in reasons.nth(place).inner_text() for title in titles)


def test_lists_change_when_an_item_is_switched_off_and_back(watch: Watch) -> None:
    page = watch.open("/people?user=4")
    whole = ask_list(watch.server, "/recommend", user="4", model="ease")
    wait_for_list(page, "ease", whole)
    first = watch.server.ask("/users/4").json["history"][0]
    switch = page.get_by_role("checkbox", name=texts.SWITCH.format(name=first["title"]))
    switch.focus()
    page.keyboard.press("Space")
    rest = ask_list(watch.server, "/recommend", user="4", without=[first["item"]], model="ease")
    assert rest != whole
    wait_for_list(page, "ease", rest)
    expect(page.get_by_text("Without: ")).to_contain_text(first["title"])
    expect(page.locator(".mark:not(:empty)").first).to_be_visible()
    gone = [title for title in whole if title not in rest]
    told = page.get_by_role("region", name="ease", exact=True).locator(".gone")
    expect(told).to_have_text(texts.GONE.format(names=texts.join(gone)) if gone else "")
    page.wait_for_url(f"**without={first['item']}*")
    page.reload()
    wait_for_list(page, "ease", rest)
    page.get_by_role("checkbox", name=texts.SWITCH.format(name=first["title"])).check()
    wait_for_list(page, "ease", whole)


def test_a_filter_is_no_effect_of_what_is_switched_off(watch: Watch) -> None:
    item = watch.server.ask("/users/4").json["history"][0]["item"]
    page = watch.open(address("/people", user="4", without=item, where="genre=Drama"))
    asked = {"user": "4", "model": "ease", "where": ["genre=Drama"]}
    rest = ask_list(watch.server, "/recommend", **asked, without=[item])
    wait_for_list(page, "ease", rest)
    page.get_by_role("button", name=texts.REMOVE_FILTER.format(filter="genre=Drama")).click()
    whole = ask_list(watch.server, "/recommend", user="4", model="ease")
    wait_for_list(page, "ease", ask_list(watch.server, "/recommend", user="4", model="ease", without=[item]))
    new = page.get_by_role("region", name="ease", exact=True).locator("li:has(.mark.new) .name")
    assert set(new.all_inner_texts()).isdisjoint(whole)


def test_filters_and_diversity_choose_what_is_recommended(watch: Watch) -> None:
    page = watch.open("/people?user=4")
    page.get_by_text(texts.FILTERS, exact=True).click()
    page.get_by_label(texts.VALUE).fill("Drama")
    page.get_by_role("combobox", name=texts.COLUMN, exact=True).first.select_option("genre")
    page.get_by_label(texts.VALUE).fill("Drama")
    page.get_by_label(texts.VALUE).press("Enter")
    asked = {"user": "4", "model": "als", "where": ["genre=Drama"]}
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", **asked))
    page.get_by_role("slider").fill("0.5")
    asked |= {"diversity": 0.5}
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", **asked))
    page.get_by_role("combobox", name=texts.AT_MOST).select_option("1")
    page.get_by_role("combobox", name=texts.COLUMN, exact=True).last.select_option("year")
    asked |= {"at_most": {"year": 1}}
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", **asked))
    expect(page.get_by_text(texts.FILTERS_SET.format(number=3))).to_be_visible()
    # The address says all of it.
    page.reload()
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", **asked))


def test_what_is_new_within_some_days_is_recommended_alone(watch: Watch) -> None:
    page = watch.open("/people?user=4")
    page.get_by_text(texts.FILTERS, exact=True).click()
    page.get_by_role("combobox", name=texts.AGE).select_option("365d")
    new = ask_list(watch.server, "/recommend", user="4", model="als", since="365d")
    assert 0 < len(new) < 10
    wait_for_list(page, "als", new)
    page.reload()
    wait_for_list(page, "als", new)
    page.get_by_role("combobox", name=texts.AGE).select_option("")
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", user="4", model="als"))


def test_a_person_is_opened_from_the_start_page(watch: Watch) -> None:
    page = watch.open("/people")
    page.locator(".chip a").first.click()
    page.wait_for_url("**/people?user=*")
    expect(page.get_by_role("region", name="als").locator(".name")).to_have_count(10)
    assert len(set(read_list(page, "als"))) == 10
