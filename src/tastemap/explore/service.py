"""Adds the explorer's pages to the HTTP service: same process, same models, same guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from tastemap.explore import check_packages
from tastemap.serve.guard import PAGES, Message, Receive, Send

if TYPE_CHECKING:
    from tastemap.serve.service import App
    from tastemap.service.reading import Reading

# Seconds that a page may be without its connection before what it holds on the server is let go.
KEPT_SECONDS = 5.0

# A page loads and asks this server only, and no other site may frame it. NiceGUI compiles templates in the browser.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; "
    "base-uri 'self'; form-action 'self'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


def add_pages(app: App, users: Path | None = None, test: Path | None = None, reading: Reading | None = None) -> None:
    """Add the explorer's pages to a service; raises MissingPackageError without the extra `explore`.

    users : a file of the names of users
    test : a file of pairs that the models were not trained on
    reading : the columns of these files; None looks for usual names

    NiceGUI has one set of pages in a process, so one service of a process can have them.
    """
    check_packages()
    from nicegui import core, ui

    from tastemap.explore.desk import Desk
    from tastemap.explore.pages import add_all

    desk = Desk.of(app, users, test, reading)
    core.app.on_startup(desk.prepare)
    add_all(desk)
    core.app.add_middleware(_Headers)
    app.rest.add_api_route("/", lambda: RedirectResponse(PAGES + "/"), include_in_schema=False)
    ui.run_with(
        app.rest,
        mount_path=PAGES,
        title="tastemap",
        favicon="🗺️",
        dark=None,
        reconnect_timeout=KEPT_SECONDS,
        tailwind=False,
        show_welcome_message=False,
    )


class _Headers:
    """Adds headers that keep a page to this server."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self._app(scope, receive, add)
