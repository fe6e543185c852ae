"""Turns errors into one sentence, in the words of the command line, and an exit status."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from tastemap.cli.words import say
from tastemap.errors import TastemapError

# Where a command finds the words it was called with, in `Context.meta`.
ARGUMENTS = "tastemap.arguments"


class Commands(TyperGroup):
    """Turns errors that users can fix into one sentence and exit status 1, for every command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept --debug at any place among the arguments."""
        ctx.meta[ARGUMENTS] = list(args)
        # After a failure --debug is added where the cursor is: at the end.
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a warning of the library becomes a line on stderr."""
        try:
            with warnings.catch_warnings():
                for kind in (UserWarning, RuntimeWarning):
                    warnings.simplefilter("always", kind)
                warnings.showwarning = lambda message, *_: typer.echo(f"Note: {say(message)}", err=True)
                return super().invoke(ctx)
        except BrokenPipeError:
            # The reader has closed the pipe and wants no more. Without this, the interpreter's last flush would print
            # an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt as stop:
            _echo_notes(stop)
            raise typer.Exit(130) from None
        except (TastemapError, ValueError, OSError, MemoryError) as error:
            if ctx.params.get("debug"):
                raise
            _echo_notes(error)
            typer.echo(f"Error: {say(error)}", err=True)
            raise typer.Exit(1) from None


def _echo_notes(error: BaseException) -> None:
    """Print the notes that the library added to an error, such as what was found before it."""
    for note in getattr(error, "__notes__", ()):
        typer.echo(f"Note: {say(note)}", err=True)
