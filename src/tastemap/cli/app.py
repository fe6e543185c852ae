"""The program itself: its name, help and common options."""

from __future__ import annotations

from typing import Annotated

import typer

from tastemap.cli import output
from tastemap.cli.errors import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learns people's tastes from who-liked-what: what to see next, what is like it, how good that is.",
)


def _show_version(asked: bool) -> None:
    if asked:
        import tastemap

        output.print_text(f"tastemap {tastemap.__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass
