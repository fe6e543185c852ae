"""Prints answers and notes, and writes tables to files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tastemap.cli.words import say_remark
from tastemap.errors import ParameterError
from tastemap.files.whole import whole_file
from tastemap.files.writable import check_file
from tastemap.tables import escape_controls, show_controls

if TYPE_CHECKING:
    import polars as pl

    from tastemap import Interactions
    from tastemap.evaluation.comparison import Comparison
    from tastemap.service.remarks import Remark

_TABLES = (".parquet", ".csv", ".tsv")

SEEN_AT_RANDOM = (
    "--seen lets a list hold what a user has, which is never right where pairs are held out at random: --by-time "
    "parts the rows instead, so that what comes again is in both parts"
)


def note(text: str) -> None:
    """Print a line that is not part of the answer, to stderr."""
    typer.echo(show_controls(text), err=True)


def print_remarks(remarks: Iterable[Remark]) -> None:
    """Print to stderr what was decided on the way to the answer."""
    for remark in remarks:
        note(say_remark(remark))


def print_text(text: str) -> None:
    """Print a text of the answer to stdout; control characters in it are spelt out."""
    _write(show_controls(text, keep="\n"))


def _write(text: str) -> None:
    if not _is_unicode():  # such as pipes on Windows: characters that the encoding lacks are spelt out
        text = text.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)
    sys.stdout.write(text)
    sys.stdout.flush()


def print_json(document: object) -> None:
    """Print one JSON document."""
    text = json.dumps(document, indent=2, ensure_ascii=not _is_unicode(), allow_nan=False)
    _write(escape_controls(text) + "\n")


def _is_unicode() -> bool:
    return sys.stdout.encoding.lower().startswith("utf")


@contextmanager
def console() -> Iterator[Any]:
    """Collect what is printed to the console and write it at once, without colours unless on a terminal."""
    import shutil

    from rich.console import Console

    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    screen = Console(file=sys.stdout, width=width, highlight=False)
    with screen.capture() as captured:
        yield screen
    _write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def print_markdown(text: str) -> None:
    """Print Markdown: as it is to programs, laid out on a terminal."""
    if not sys.stdout.isatty():
        print_text(text.rstrip("\n") + "\n")
        return
    from rich.markdown import Markdown

    with console() as screen:
        screen.print(Markdown(show_controls(text, keep="\n")))


def print_board(board: Comparison) -> None:
    """Print a leaderboard."""
    with console() as screen:
        screen.print(board.table())


def print_spread(spread: dict[str, Any]) -> None:
    """Print quantiles of weights and of pairs a user and an item, as `service.documents.describe_spread` has them."""
    with console() as screen:
        _show_spread(screen, spread)


def _show_spread(screen: Any, spread: dict[str, Any]) -> None:
    import polars as pl

    rows = [
        {"": name.replace("_", " "), **{share: f"{value:,.6g}" for share, value in values.items()}}
        for name, values in spread["quantiles"].items()
    ]
    show_table(screen, pl.DataFrame(rows), "quantiles")


def print_data(data: Interactions, top: pl.DataFrame, spread: dict[str, Any]) -> None:
    """Print what interactions hold; ``top`` has their most common items, ``spread`` their quantiles."""
    density = len(data) / (data.n_users * data.n_items)
    per_user, per_item = len(data) / data.n_users, len(data) / data.n_items
    with console() as screen:
        screen.print(f"{data!r}")
        screen.print(f"density {density:.2%}, {per_user:,.1f} pairs a user, {per_item:,.1f} an item")
        _show_spread(screen, spread)
        show_table(screen, top, f"the {len(top)} items that most users have")


def answer(
    frame: pl.DataFrame,
    key: str,
    *,
    as_json: bool,
    out: Path | None,
    escape: bool = True,
    group: str | None = None,
    heading: Callable[[Any], str] | None = None,
) -> None:
    """Give ranked lists: as a file, as JSON or as tables.

    key : their name in the JSON document
    escape : whether texts that a spreadsheet would run as formulas get a ' before them, in CSV and TSV
    group : a column; the rows of each of its values get a table of their own
    heading : returns the heading of such a table for the value; None writes the column's name and the value
    """
    if out is not None:
        _write_table(frame, out, escape)
        note(f"wrote {len(frame):,} rows to {out}")
    if as_json:
        print_json({key: frame.to_dicts()})
    elif out is None:
        with console() as screen:
            if frame.is_empty():
                screen.print("nothing to show")
            elif group is None:
                show_table(screen, frame)
            else:
                for (value,), rows in frame.group_by([group], maintain_order=True):
                    title = f"{group} {value}" if heading is None else heading(value)
                    show_table(screen, rows.drop(group), title)


def show_table(screen: Any, frame: pl.DataFrame, title: str | None = None) -> None:
    """Print a frame, its rank first."""
    from rich.text import Text

    from tastemap.tables import Column, PlainTable

    if title:
        screen.print(Text(show_controls(title), "bold"))
    names = sorted(frame.columns, key=lambda name: name != "rank")
    columns = tuple(Column(name, is_number=frame.schema[name].is_numeric()) for name in names)
    screen.print(PlainTable(columns, frame.select(names).iter_rows()))


def check_table(path: Path | None, *inputs: Path | None) -> None:
    """Refuse an --out whose ending names no kind of table, or that cannot be written."""
    if path is None:
        return
    if path.suffix.lower() not in _TABLES:
        raise ParameterError(
            f"--out must end in {', '.join(_TABLES)}, got {path.name!r}", parameter="out", value=path.name
        )
    check_file(path, inputs)


def is_parquet(path: Path | None) -> bool:
    """Return whether --out is a Parquet file."""
    return path is not None and path.suffix.lower() == ".parquet"


def count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file."""
    import polars as pl

    rows: int = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    return rows


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Raise errors of writing with the path that the user gave, not that of the temporary file."""
    try:
        yield
    except OSError as error:
        # polars puts the temporary file's name behind the reason.
        reason = error.strerror or str(error).partition(" (os error")[0]
        raise OSError(f"cannot write {path}: {reason}") from error


def _write_table(frame: pl.DataFrame, path: Path, escape: bool) -> None:
    import polars as pl

    from tastemap.data.frames import escape_formulas

    if escape and not is_parquet(path):
        frame = pl.DataFrame([escape_formulas(column) for column in frame])
    with explain_write_errors(path), whole_file(path) as temporary:
        if is_parquet(path):
            frame.write_parquet(temporary)
        else:
            frame.write_csv(temporary, separator="\t" if path.suffix.lower() == ".tsv" else ",")
