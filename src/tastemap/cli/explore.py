"""The command `explore`."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app
from tastemap.cli.serve import AllowHost, Host, ItemId, Items, ModelFiles, Port, TokenFile, make_settings, set_threads


@app.command()
def explore(
    models: ModelFiles,
    items: Items = None,
    item_id: ItemId = None,
    title_column: opt.TitleColumn = None,
    users: Annotated[
        Path | None, typer.Option(help="File of the names of users; --user-column is that of their ids.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="File of pairs that the models were not trained on, to measure them.")
    ] = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    allow_host: AllowHost = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    threads: opt.Threads = None,
) -> None:
    """Look at models in a browser: neighbours, recommendations with reasons, your own taste, a map."""
    from tastemap.explore import check_packages

    check_packages()
    from tastemap.explore.service import add_pages
    from tastemap.serve.guard import PAGES
    from tastemap.serve.run import read_token, run
    from tastemap.service.reading import Reading

    settings = make_settings(models, items, item_id, title_column, token_file, host, allow_host)
    set_threads(threads)
    reading = Reading(user=user_column, item=item_column)
    token = read_token(settings.token_file)

    def tell(url: str) -> None:
        address = f"{url}{PAGES}/" + (f"?token={token}" if token else "")
        output.note(f"open {address} in a browser; Ctrl-C ends it")
        if browser and _can_show():
            webbrowser.open(address)

    run(settings, host, port, 1, tell, lambda service: add_pages(service, users, test, reading))


def _can_show() -> bool:
    """Tell whether there is a screen to show a page on: where not, a browser of texts would take the terminal."""
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform in ("win32", "darwin") or bool(has_screen)
