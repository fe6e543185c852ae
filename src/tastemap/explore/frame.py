"""What all pages have: a header with links, a theme, a place for errors, and an address that says what is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from tastemap.explore import texts
from tastemap.explore.desk import Desk
from tastemap.explore.faults import word_error
from tastemap.explore.numbers import Numbers
from tastemap.explore.parts import Tag, button, link
from tastemap.serve.served import Served

LOOK = (resources.files("tastemap.explore") / "look.css").read_text(encoding="utf-8")

# The cookie that keeps a theme, and how the theme goes on when its button is pressed.
THEME_COOKIE = "tastemap-theme"
THEMES = {"auto": "dark", "dark": "light", "light": "auto"}
AS_DARK = {"auto": None, "dark": True, "light": False}

# The most models that are shown before somebody asks for others.
SHOWN = 4

# Seconds in which a page must be built.
LONGEST_BUILD = 30.0

Query = Mapping[str, str | Sequence[str] | None]


@dataclass
class Visit:
    """A page as one person sees it.

    query : the parameters of its address
    path : of the page, below /explore
    """

    desk: Desk
    numbers: Numbers
    query: Any
    path: str

    @property
    def shown(self) -> list[Served]:
        """The models that are shown: those that the address names, or the first few."""
        named = [name for name in self.query.get("models", "").split(",") if name]
        chosen = [served for served in self.desk.models if served.name in named]
        return chosen or self.desk.models[:SHOWN]

    def remember(self, query: Query) -> None:
        """Write what is shown into the address, without a step in the browser's history."""
        ui.navigate.history.replace(make_address("", query) or "?")


def make_address(path: str, query: Query) -> str:
    """Return the address of a page as other pages have it; parameters that are None or empty are left out.

    path : as in `texts.PAGES`; "" for the same page
    """
    path = path[1:] if len(path) > 1 else path and "./"
    pairs = [(name, [value] if isinstance(value, str) else value) for name, value in query.items() if value]
    text = urlencode([(name, values) for name, values in pairs], doseq=True)
    return f"{path}?{text}" if text else path


def add_page(desk: Desk, path: str, build: Callable[[Visit], Awaitable[None]]) -> None:
    """Add a page.

    build : fills it
    """
    title = f"{texts.PAGES.get(path, texts.UNKNOWN_PAGE)} – {texts.NAME}"

    @ui.page(path, title=title, dark=None, language="en-US", response_timeout=LONGEST_BUILD)
    async def show(request: Request) -> None:
        numbers = Numbers.of(request.headers.get("accept-language", ""))
        visit = Visit(desk, numbers, request.query_params, path)
        ui.add_css(LOOK)
        _make_header(path, request.cookies.get(THEME_COOKIE, "auto"))
        with Tag("div", classes="page", id="content", tabindex="-1"):
            try:
                await build(visit)
            except Exception as error:
                tell_error(error)


def tell_error(error: Exception) -> None:
    """Show an error as a sentence, where a list or a page would be."""
    Tag("p", word_error(error), "error", role="alert")


def _make_header(path: str, theme: str) -> None:
    theme = theme if theme in THEMES else "auto"
    dark = ui.dark_mode(AS_DARK[theme])
    with Tag("header", classes="header"):
        Tag("a", texts.SKIP, "skip", href="#content")
        link(texts.NAME, make_address("/", {}), "brand")
        with Tag("nav", classes="nav", aria_label=texts.NAVIGATION):
            for target, name in texts.PAGES.items():
                link(name, make_address(target, {}), aria_current="page" if target == path else None)

        def turn() -> None:
            nonlocal theme
            theme = THEMES[theme]
            dark.value = AS_DARK[theme]
            turner.change(texts.THEME[theme])
            ui.run_javascript(f"document.cookie = '{THEME_COOKIE}={theme}; path=/; max-age=31536000; samesite=lax'")

        turner = button(texts.THEME[theme], turn, "theme")
