"""The command `serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app

if TYPE_CHECKING:
    from tastemap.serve.run import Settings

ModelFiles = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Files of fitted models.")]
Items = Annotated[Path | None, typer.Option(help="File of what is known of items: titles, and columns to filter by.")]
ItemId = Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column of ids.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
TokenFile = Annotated[
    Path | None, typer.Option(help="File with the token that requests have to show, except those about health.")
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A name by which the server is called, such as behind a proxy; repeat it."),
]


@app.command()
def serve(
    models: ModelFiles,
    items: Items = None,
    item_id: ItemId = None,
    title_column: opt.TitleColumn = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many processes answer.")] = 1,
    token_file: TokenFile = None,
    events: Annotated[Path | None, typer.Option(help="Folder where POST /events writes what users do.")] = None,
    allow_host: AllowHost = None,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log every request.")] = False,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log in JSON, an object a line.")] = False,
    threads: opt.Threads = None,
) -> None:
    """Answer over HTTP: recommendations, similar items, scores and reasons from fitted models."""
    from tastemap.serve.run import run

    settings = make_settings(
        models, items, item_id, title_column, token_file, host, allow_host,
        events=None if events is None else str(events.absolute()), json_logs=json_logs, log_requests=log_requests,
    )  # fmt: skip
    set_threads(threads)
    names = ", ".join(settings.models)
    run(
        settings,
        host,
        port,
        processes,
        lambda url: output.note(f"serving {names} on {url}, what it takes is at /docs"),
    )


def make_settings(
    models: list[Path],
    items: Path | None,
    item_id: str | None,
    title_column: str | None,
    token_file: Path | None,
    host: str,
    allow_host: list[str] | None,
    **others: Any,
) -> Settings:
    """Return what a server is made from, with files as absolute paths."""
    from tastemap.serve import name_models
    from tastemap.serve.run import Settings

    return Settings(
        models={name: str(path.absolute()) for name, path in name_models(models).items()},
        items=None if items is None else str(items.absolute()),
        item_id=item_id,
        title_column=title_column,
        token_file=None if token_file is None else str(token_file.absolute()),
        hosts=[host, *(allow_host or ())],
        **{"events": None, "json_logs": False, "log_requests": False, **others},
    )


def set_threads(threads: int | None) -> None:
    """Set the number of threads for every thread and process of the server."""
    if threads is not None:
        os.environ["TASTEMAP_THREADS"] = str(threads)
