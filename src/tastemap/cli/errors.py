"""Errors in one sentence, in the words of the command line, with their exit status."""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from tastemap.errors import TastemapError

# Where a command finds the words it was called with, in `Context.meta`.
ARGUMENTS = "tastemap.arguments"


class Commands(TyperGroup):
    """Turns what users can mend into one sentence and exit status 1, for every command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take --debug wherever it stands."""
        ctx.meta[ARGUMENTS] = list(args)
        # After a failure --debug is added where the cursor is: at the end.
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what the library warns of becomes a line on stderr."""
        try:
            with warnings.catch_warnings():
                for kind in (UserWarning, RuntimeWarning):
                    warnings.simplefilter("always", kind)
                warnings.showwarning = lambda message, *_: typer.echo(f"Note: {sentence(message)}", err=True)
                return super().invoke(ctx)
        except BrokenPipeError:
            # A reader who closes the pipe has seen enough. The interpreter flushes once more at its end, and would
            # complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt as stop:
            _echo_notes(stop)
            raise typer.Exit(130) from None
        except (TastemapError, ValueError, OSError, MemoryError) as error:
            if ctx.params.get("debug"):
                raise
            _echo_notes(error)
            typer.echo(f"Error: {sentence(error)}", err=True)
            raise typer.Exit(1) from None


def _echo_notes(error: BaseException) -> None:
    """Say what the library noted on an error, such as what was found before it."""
    for note in getattr(error, "__notes__", ()):
        typer.echo(f"Note: {sentence(note)}", err=True)


# What the library advises -> how to say it here.
_ADVICE = {
    r"^test must be a share": "--holdout must be a share",
    r" with test=\S+ and seed=\d+": "",
    r": use split\.random$": ": leave --by-time out",
    r"(has no \w+ in rows? [^:]*): drop these rows.*": r"\1: pass --drop-nulls to leave such rows out",
    r"or pass allow_negative=True if they are ratings": "or pass --at-least to keep higher ones, or --no-weight",
    r"weights are numbers: cast it first": "weights are numbers such as 1.5: write them so, pass --no-weight",
    r"event_weights=\('[^']*', \{value: weight\}\)": "--event VALUE=WEIGHT",
    r"event_weights": "--event",
    r"pass time= to from_frame or from_file": "pass --time COLUMN",
    r"pass history= to fold them in, or ": "",
    r"those that exclude='train' keeps": "the training pairs, which are kept",
    r"pass exclude=None": "pass --seen",
    r"pass space=\{parameter: values\}": "say with --space what to try",
    r"the same call": "the same command",
}
_ARGUMENTS = r"\b(separator|duplicates|on_unknown|weight|time|history|study|k)=('[^']*'|\w+)"


def sentence(error: Exception | str) -> str:
    """Say an error or a warning with options in place of arguments."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {error}; ask for fewer factors or less data"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return _as_here(" ".join(str(error).split()) or type(error).__name__)


def _as_here(text: str) -> str:
    for advice, here in _ADVICE.items():
        text = re.sub(advice, here, text)
    return re.sub(_ARGUMENTS, _as_option, text)


def _as_option(argument: re.Match[str]) -> str:
    name, value = argument.groups()
    bare = value.strip("'")
    return f"--{name.replace('_', '-')} {bare if bare.isalnum() else value}"
