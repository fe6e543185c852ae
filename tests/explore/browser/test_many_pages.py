from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("playwright", reason="needs Playwright")

from playwright.sync_api import expect

from explore.browser.browsing import Watch, ask_list, find_proposals, start_explorer, wait_for_list
from tastemap.explore import texts

PAGES, TURNS = 10, 4


def test_ten_pages_at_once_keep_their_tastes(watch: Watch) -> None:
    tastes = [[str(20 + number)] for number in range(PAGES)]
    pages = [watch.open(f"/taste?like={likes[0]}&models=als,ease") for likes in tastes]
    for turn in range(TURNS):
        for number, page in enumerate(pages):
            item = page.get_by_role("region", name="als").locator(".list li").nth(number)
            item.get_by_text(texts.LIKE, exact=True).click()
        for page, likes in zip(pages, tastes, strict=True):
            page.wait_for_function(
                "(count) => new URLSearchParams(location.search).getAll('like').length == count", arg=2 + turn
            )
            said = parse_qs(urlsplit(page.url).query)["like"]
            assert said[:-1] == likes
            likes[:] = said
    for page, likes in zip(pages, tastes, strict=True):
        for model in ("als", "ease"):
            wait_for_list(page, model, ask_list(watch.server, "/recommend", history=likes, model=model))


def test_a_lost_connection_is_said_and_comes_back(browser: Any, models: list[Path]) -> None:
    server = start_explorer(models[0].parent, models)
    watch = Watch(browser, server)
    try:
        page = watch.open("/taste?like=12&models=als", offline=True)
        wait_for_list(page, "als", ask_list(server, "/recommend", history=["12"], model="als"))
        server.stop()
        lost = page.get_by_text("Connection lost")
        expect(lost).to_be_visible()
        server = watch.server = start_explorer(models[0].parent, models, server.port)
        expect(lost).to_be_hidden()
        wait_for_list(page, "als", ask_list(server, "/recommend", history=["12"], model="als"))
        page.get_by_role("combobox", name=texts.SEARCH_ITEM).press_sequentially("star")
        expect(find_proposals(page, texts.SEARCH_ITEM).first).to_be_visible()
        watch.close()
        assert watch.faults == []
    finally:
        server.stop()
