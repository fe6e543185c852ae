"""The command `serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app


@app.command()
def serve(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Files of fitted models.")],
    items: Annotated[
        Path | None, typer.Option(help="File of what is known of items: titles, and columns to filter by.")
    ] = None,
    item_id: Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column of ids.")] = None,
    title_column: opt.TitleColumn = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many processes answer.")] = 1,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that requests have to show, except those about health.")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="Folder where POST /events writes what users do.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which the server is called, such as behind a proxy; repeat it."),
    ] = None,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log every request.")] = False,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log in JSON, an object a line.")] = False,
    threads: opt.Threads = None,
) -> None:
    """Answer over HTTP: recommendations, similar items, scores and reasons from fitted models."""
    from tastemap.serve import name_models
    from tastemap.serve.run import Settings, run

    settings = Settings(
        models={name: str(path.absolute()) for name, path in name_models(models).items()},
        items=None if items is None else str(items.absolute()),
        item_id=item_id,
        title_column=title_column,
        token_file=None if token_file is None else str(token_file.absolute()),
        events=None if events is None else str(events.absolute()),
        hosts=[host, *(allow_host or ())],
        json_logs=json_logs,
        log_requests=log_requests,
    )
    if threads is not None:
        os.environ["TASTEMAP_THREADS"] = str(threads)  # for every thread and process of the server
    names = ", ".join(settings.models)
    run(
        settings,
        host,
        port,
        processes,
        lambda url: output.note(f"serving {names} on {url}, what it takes is at /docs"),
    )
