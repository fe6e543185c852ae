"""The command line: each command reads its options, asks the library and `service`, and prints.

stdout carries the answer, as tables or with --json as one JSON document; stderr progress, notes and errors.
Exit status: 0 fine, 1 what was given cannot be used (one sentence says why), 2 usage, 130 Ctrl-C.

Here and in the files beside it heavy imports, `service` among them, stand inside the functions that need them, so that
--help and wrong usage are answered at once.
"""

from tastemap.cli import commands, compare, explore, export, serve, tune  # noqa: F401 - they put the commands into the app
from tastemap.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line and exit."""
    app()
