from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

pytest.importorskip("playwright", reason="needs Playwright")

from playwright.sync_api import expect

from explore.browser.browsing import Watch, address, ask_list, find_proposals, read_list, wait_for_list
from tastemap.explore import texts

MODELS = ("als", "ease", "popular")


def run_lines(code: str) -> Any:
    """Run lines of Python and return what the last one gives."""
    *before, last = code.splitlines()
    known: dict[str, Any] = {}
    exec("\n".join(before), known)
    return eval(last, known)


def listed_by_lines(watch: Watch, page: Any) -> list[str]:
    listed = pl.DataFrame(run_lines(page.locator("pre.code").inner_text()))
    return [watch.server.ask(f"/items/{item}").json["title"] for item in listed["item"]]


def test_lists_change_with_each_like_and_dislike(watch: Watch) -> None:
    page = watch.open("/taste")
    expect(page.get_by_text(texts.TASTE_EMPTY)).to_be_visible()
    field = page.get_by_role("combobox", name=texts.SEARCH_ITEM)
    field.press_sequentially("star wars")
    expect(find_proposals(page, texts.SEARCH_ITEM)).to_have_count(1)
    field.press("Enter")
    for model in MODELS:
        wait_for_list(page, model, ask_list(watch.server, "/recommend", history=["260"], model=model))
    title = read_list(page, "als")[0]
    listed = page.get_by_role("region", name="als")
    listed.get_by_role("button", name=texts.LIKE_NAME.format(name=title), exact=True).click()
    page.wait_for_url("**like=260&like=*")
    likes = parse_qs(urlsplit(page.url).query)["like"]
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", history=likes, model="als"))
    said = page.get_by_role("region", name=texts.TASTE)
    said.get_by_role("button", name=texts.DISLIKE_NAME.format(name=title)).click()
    taste = {"history": likes[:1], "disliked": likes[1:]}
    for model in MODELS:
        wait_for_list(page, model, ask_list(watch.server, "/recommend", **taste, model=model))
    said.get_by_role("button", name=texts.REMOVE_NAME.format(name=title)).click()
    wait_for_list(page, "als", ask_list(watch.server, "/recommend", history=["260"], model="als"))
    said.get_by_role("button", name=texts.START_OVER).click()
    expect(page.get_by_text(texts.TASTE_EMPTY)).to_be_visible()
    expect(page.locator(".model .name:visible")).to_have_count(0)


def test_one_begins_with_what_many_people_like(watch: Watch) -> None:
    page = watch.open("/taste")
    page.locator(".chip").first.get_by_text(texts.LIKE, exact=True).click()
    expect(page.get_by_role("region", name="als").locator(".name")).to_have_count(10)
    page.wait_for_url("**?like=*")
    assert len(parse_qs(urlsplit(page.url).query)["like"]) == 1


def test_a_link_of_a_taste_gives_another_page_the_same_lists(watch: Watch) -> None:
    page = watch.open("/taste?like=260&like=12&dislike=1")
    wanted = {
        model: ask_list(watch.server, "/recommend", history=["260", "12"], disliked=["1"], model=model)
        for model in MODELS
    }
    for model in MODELS:
        wait_for_list(page, model, wanted[model])
    url = page.evaluate("""async () => {
      let copied;
      Object.defineProperty(navigator, "clipboard", {value: {writeText: (text) => { copied = text; }}});
      document.querySelector(".share button").click();
      while (copied === undefined) await new Promise((done) => setTimeout(done, 20));
      return copied;
    }""")
    other = watch.open(url.removeprefix(f"{watch.server.url}/explore"))
    for model in MODELS:
        wait_for_list(other, model, wanted[model])


@pytest.mark.parametrize("model", ["als", "ease"])
def test_the_lines_of_python_give_the_list(watch: Watch, model: str) -> None:
    page = watch.open("/taste?like=260&like=12&dislike=1")
    page.get_by_role("combobox", name=texts.SHARE_MODEL).select_option(model)
    expect(page.locator("pre.code")).to_contain_text(f"{model}.safetensors")
    wait_for_list(page, model, ask_list(watch.server, "/recommend", history=["260", "12"], disliked=["1"], model=model))
    assert len(page.locator("pre.code").inner_text().splitlines()) == 2
    assert listed_by_lines(watch, page) == read_list(page, model)


def test_the_lines_hold_filters_and_diversity(watch: Watch) -> None:
    asked = {"where": ["genre=Drama", "year>=1980"], "diversity": 0.4}
    page = watch.open(address("/taste", like=["260", "12"], at_most="year:1", models="als", **asked))
    wanted = ask_list(watch.server, "/recommend", history=["260", "12"], model="als", at_most={"year": 1}, **asked)
    wait_for_list(page, "als", wanted)
    assert listed_by_lines(watch, page) == wanted


def test_only_dislikes_are_not_enough(watch: Watch) -> None:
    page = watch.open("/taste?dislike=1")
    expect(page.get_by_text(texts.TASTE_ONLY_DISLIKED)).to_be_visible()
    expect(page.locator(".share")).to_be_hidden()
