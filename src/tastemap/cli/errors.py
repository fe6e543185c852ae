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
# Where it finds the options of the command that runs, once it is known.
OPTIONS = "tastemap.options"


class Subcommands(TyperGroup):
    """Notes which options the running command has."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments name."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            ctx.meta[OPTIONS] = list_options(command)
        return name, command, rest


def list_options(command: Any) -> frozenset[str]:
    """Return the options of a command, such as --at-least."""
    return frozenset(name for param in command.params for name in (*param.opts, *param.secondary_opts))


class Commands(Subcommands):
    """Turns errors that users can fix into one sentence and exit status 1, for every command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept --debug at any place among the arguments."""
        ctx.meta[ARGUMENTS] = list(args)
        for arg in args:
            _refuse_password(arg)
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
                warnings.showwarning = lambda message, *_: _echo_note(ctx, message)
                return super().invoke(ctx)
        except BrokenPipeError:
            # The reader has closed the pipe and wants no more. Without this, the interpreter's last flush would print
            # an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt as stop:
            _echo_notes(ctx, stop)
            raise typer.Exit(130) from None
        except (TastemapError, ValueError, OSError, MemoryError) as error:
            if ctx.params.get("debug"):
                raise
            _echo_notes(ctx, error)
            typer.echo(f"Error: {say(error, ctx.meta.get(OPTIONS))}", err=True)
            raise typer.Exit(1) from None


def _refuse_password(arg: str) -> None:
    """Refuse the address of a database with a password in it, whatever option it is of."""
    from tastemap.data.sources.addresses import has_password, has_scheme, read_scheme

    text = arg.partition("=")[2] if arg.startswith("--") else arg
    # Addresses of files on the web have keys of their own, which end soon.
    if not has_scheme(text) or text.partition(":")[0].lower() in ("http", "https"):
        return
    try:
        is_open = has_password(text)
    except TastemapError as error:
        if read_scheme(text) == "other":
            return
        raise typer.BadParameter(str(error)) from None
    if is_open:
        raise typer.BadParameter(
            "the address has a password, which the list of processes shows to everybody here: leave it out, and set "
            "PGPASSWORD or pass --password-file FILE"
        )


def _echo_notes(ctx: Any, error: BaseException) -> None:
    """Print the notes that the library added to an error, such as what was found before it."""
    for note in getattr(error, "__notes__", ()):
        _echo_note(ctx, note)


def _echo_note(ctx: Any, said: Any) -> None:
    typer.echo(f"Note: {say(said, ctx.meta.get(OPTIONS))}", err=True)
