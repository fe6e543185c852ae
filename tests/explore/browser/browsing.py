"""Starts `tastemap explore` on small models, and looks at its pages in Chromium by way of Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import polars as pl

import tastemap as tm
from serve.running import Server, films, likes, start, write_models

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Milliseconds that a page may take for anything: a busy machine is slow.
PATIENCE = 30_000

# A title that would do harm if it were read as HTML.
HARM = "<img src=x onerror=\"window.harm=1\"><script>window.harm=1</script> & 'Co'"
HARMFUL = "3"

WIDE, NARROW = (1280, 900), (390, 844)

# Every page, with something to see on each.
VIEWS = {
    "items": "/",
    "item": "/?item=260",
    "people": "/people",
    "person": "/people?user=4",
    "taste": "/taste",
    "likes": "/taste?like=1&like=260&dislike=12",
    "map": "/map",
    "data": "/data",
    "models": "/models",
}

# What is there once a view is complete.
COMPLETE = {
    "items": ".chip a",
    "item": ".model .list li:nth-child(10)",
    "people": ".chip a",
    "person": ".model .list li:nth-child(10) .why:not(:empty)",
    "taste": ".chip button",
    "likes": ".model .list li:nth-child(10) .why:not(:empty)",
    "map": ".regions table",
    "data": ".chart >> nth=1",
    "models": ".model >> nth=4",
}


def write_files(folder: Path) -> list[Path]:
    """Write the models als, ease and popular, films.csv and people.csv; return the models' paths."""
    paths = write_models(folder)
    tm.Popular().fit(likes(), progress=False).save(folder / "popular.safetensors")
    title = pl.when(pl.col("item") == int(HARMFUL)).then(pl.lit(HARM)).otherwise("title").alias("title")
    films().with_columns(title).write_csv(folder / "films.csv")
    pl.DataFrame({"user": [4, 7], "name": ["Zoé Ångström", "Bob"]}).write_csv(folder / "people.csv")
    return [*paths, folder / "popular.safetensors"]


def start_explorer(folder: Path, models: Sequence[Path], port: int | None = None) -> Server:
    """Start the explorer on what `write_files` wrote."""
    files = ("--items", folder / "films.csv", "--users", folder / "people.csv")
    return start(folder, models, *files, "--no-browser", command="explore", port=port)


@contextmanager
def open_browser() -> Iterator[Any]:
    """Open Chromium until the block ends."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """Opens pages of a server, each for somebody else, and notes what goes wrong in them.

    faults : errors of pages and of their consoles, and requests to others than the server
    """

    browser: Any
    server: Server
    faults: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def open(self, address: str = "/", *, size: tuple[int, int] = WIDE, offline: bool = False, **options: Any) -> Any:
        """Open a page.

        offline : whether the server may go away, of which the browser complains on its console
        """
        options |= {"viewport": dict(zip(("width", "height"), size, strict=True)), "reduced_motion": "reduce"}
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{address}: {error}"))
        if not offline:
            page.on("console", lambda told: self._hear(address, told))
        page.on("request", lambda request: self._check(address, request.url))
        page.on("websocket", lambda socket: self._check(address, socket.url))
        page.goto(f"{self.server.url}/explore{address}")
        return page

    def close(self) -> None:
        """Close all pages."""
        for context in self.contexts:
            context.close()

    def _hear(self, address: str, told: Any) -> None:
        if told.type in ("error", "warning"):
            self.faults.append(f"{address}: {told.text}")

    def _check(self, address: str, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.server.url).netloc:
            self.faults.append(f"{address} asked {url}")


def find_list(page: Any, model: str) -> Any:
    """Return the titles that a model lists; places without an item are there, and hidden."""
    return page.get_by_role("region", name=model, exact=True).locator(".list .name:visible")


def read_list(page: Any, model: str) -> list[str]:
    """Return the titles that a model lists, as texts."""
    titles: list[str] = find_list(page, model).all_inner_texts()
    return titles


def ask_list(server: Server, path: str, **asked: Any) -> list[str]:
    """Return the titles that the HTTP interface lists."""
    answer = server.ask(path, {"k": 10, **asked})
    assert answer.status == 200, answer.body
    return [one["title"] for one in answer.json["items"]]


def wait_for_list(page: Any, model: str, titles: Sequence[str]) -> None:
    """Wait until a model lists these titles."""
    from playwright.sync_api import expect

    expect(find_list(page, model)).to_have_text(list(titles))


def find_proposals(page: Any, label: str) -> Any:
    """Return what the field of a label proposes."""
    return page.get_by_role("listbox", name=label).get_by_role("option")


def address(path: str, **query: Any) -> str:
    """Return an address with its parameters."""
    return f"{path}?{urlencode(query, doseq=True)}"
