"""Tables with the best cells marked, for the terminal, notebooks, Markdown and HTML; plain ones for the terminal."""

from __future__ import annotations

import html
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# The marks of cells that are not significantly worse than the best and, where nothing can be bold, of the best.
CLOSE, BEST = "†", "*"

# The least width of the names, in characters, where the terminal is too narrow for whole ones.
FOLDED = 16

# What a terminal obeys rather than shows: control characters, those that turn the direction of writing, other ends of
# lines; and halves of characters, which cannot be written.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def show_controls(text: str, keep: str = "") -> str:
    r"""Return a text of unknown origin with its control characters spelt out, such as \x1b, so that none takes effect.

    keep : control characters that stay, such as the ends of lines
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else _spell(found[0]), text)


def escape_controls(json: str) -> str:
    """Return the same JSON document without the control characters that JSON allows in strings."""
    return _CONTROLS.sub(lambda found: found[0] if found[0] in "\n\t" else f"\\u{ord(found[0]):04x}", json)


def _spell(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and whether it is the best of its column or not significantly worse than the best."""

    text: str
    is_best: bool = False
    is_close: bool = False


@dataclass(frozen=True)
class Table:
    """A table of results with marks.

    heading : a text for each column
    rows : cells, the first of each row a name, the others numbers
    legend : lines below the table that explain it

    It prints itself on rich's consoles; `str` gives the text, with the best in bold where stdout is a terminal.
    """

    heading: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    legend: tuple[str, ...] = ()

    def __str__(self) -> str:
        from rich.console import Console

        on_terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size((100, 24)).columns if on_terminal else 200
        # In a notebook rich would also show the text itself, with codes of colours.
        console = Console(file=sys.stdout, width=width, highlight=False, force_jupyter=False)
        with console.capture() as captured:
            console.print(self)
        return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.measure import Measurement
        from rich.text import Text

        bold = console.is_terminal

        def fits(table: Any) -> bool:
            wanted = Measurement.get(console, options.update(max_width=10_000), table).maximum
            return bool(wanted <= options.max_width)

        table = self._lay_out(bold, apart=False)
        if fits(table):
            yield table
        else:
            for part in self._cut_columns(lambda part: fits(part._lay_out(bold, apart=True, names=FOLDED))):
                yield part._lay_out(bold, apart=True)
        for line in self._explain_marks("in bold" if bold else BEST):
            yield Text(line)

    def _cut_columns(self, fits: Callable[[Table], bool]) -> Iterator[Table]:
        """Cut the columns of numbers into tables that fit, each with the names and at least one column."""
        first, n_columns = 1, len(self.heading)
        while first < n_columns:
            end = first + 1
            while end < n_columns and fits(self._take_columns(first, end + 1)):
                end += 1
            yield self._take_columns(first, end)
            first = end

    def _take_columns(self, first: int, end: int) -> Table:
        rows = tuple((row[0], *row[first:end]) for row in self.rows)
        return Table((self.heading[0], *self.heading[first:end]), rows)

    def _lay_out(self, bold: bool, *, apart: bool, names: int | None = None) -> Any:
        """Return the table as one of rich.

        apart : whether ± and what follows it get a line of their own, for narrow terminals
        names : the most characters of a name in one line, None for as many as there is room for
        """
        from rich.text import Text

        # Numbers are aligned here: rich would shift them by the mark behind.
        table = _make_grid(pad_edge=False)
        texts = [
            [show_controls(cell.text).replace(" ±", "\n±" if apart else " ±") for cell in row] for row in self.rows
        ]
        columns = zip(self.heading, *texts, strict=True)
        widths = [max(len(line) for text in column for line in text.split("\n")) for column in columns]
        widths[0] = 0  # names stay at the left, and are folded where there is no room
        for name, width in zip(self.heading, widths, strict=True):
            most = None if width else names
            table.add_column(Text(name.rjust(width)), no_wrap=width > 0, overflow="fold", max_width=most)
        for row, cells in zip(self.rows, texts, strict=True):
            shown = []
            for cell, text, width in zip(row, cells, widths, strict=True):
                lines = "\n".join(line.rjust(width) for line in text.split("\n"))
                shown.append(Text(lines + _choose_mark(cell, bold), "bold" if cell.is_best and bold else ""))
            table.add_row(*shown)
        return table

    def markdown(self) -> str:
        """Return the table in Markdown, the best in bold, and the legend below."""
        lines = [[escape_markdown(name) for name in self.heading], ["---", *["---:"] * (len(self.heading) - 1)]]
        for row in self.rows:
            texts = [(escape_markdown(cell.text) + _choose_mark(cell, True), cell.is_best) for cell in row]
            lines.append([f"**{text}**" if is_best else text for text, is_best in texts])
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        legend = "\n".join(f"{escape_markdown(line)}  " for line in self._explain_marks("in bold"))
        return f"{table}\n\n{legend}\n" if legend else f"{table}\n"

    def html(self) -> str:
        """Return the table as HTML, the best in bold, and the legend below."""
        rows = "".join(
            "<tr>" + "".join(_write_html_cell(cell, place) for place, cell in enumerate(row)) + "</tr>\n"
            for row in self.rows
        )
        names = [html.escape(show_controls(name)) for name in self.heading]
        heading = "".join(
            f'<th scope="col" style="text-align: {"right" if place else "left"}">{name}</th>'
            for place, name in enumerate(names)
        )
        legend = "<br>\n".join(html.escape(show_controls(line)) for line in self._explain_marks("in bold"))
        below = f"<p><small>{legend}</small></p>\n" if legend else ""
        return f"<table>\n<thead><tr>{heading}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{below}"

    def _explain_marks(self, best: str) -> Iterator[str]:
        cells = [cell for row in self.rows for cell in row]
        if any(cell.is_best for cell in cells):
            close = f"; {CLOSE}: not significantly worse than it" if any(cell.is_close for cell in cells) else ""
            yield f"{best}: the best of its column{close}"
        yield from self.legend


def write_html(heading: Iterable[str], rows: Iterable[Iterable[object]], *legend: str) -> str:
    """Return a table without marks as HTML: the first of each row a name, floats in four digits; all of it escaped."""
    cells = tuple(tuple(Cell(_as_text(value)) for value in row) for row in rows)
    return Table(tuple(heading), cells, legend).html()


@dataclass(frozen=True)
class Column:
    """A column of a plain table.

    name : its heading
    is_number : whether it stands at the right
    widest : the most characters of a cell, longer text is cut; None folds text that has no room
    """

    name: str
    is_number: bool = False
    widest: int | None = None


@dataclass(frozen=True)
class PlainTable:
    """A table without marks that prints itself on rich's consoles: None as an empty cell, floats in four digits."""

    columns: tuple[Column, ...]
    rows: Iterable[tuple[object, ...]]

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.measure import Measurement
        from rich.text import Text

        table = _make_grid(pad_edge=True)
        for column in self.columns:
            table.add_column(
                Text(show_controls(column.name)),
                justify="right" if column.is_number else "left",
                max_width=column.widest,
                no_wrap=column.widest is not None,
                overflow="fold" if column.widest is None else "ellipsis",
            )
        for row in self.rows:
            table.add_row(*(Text(_as_text(value)) for value in row))
        if Measurement.get(console, options.update(max_width=10_000), table).maximum > options.max_width:
            # With less space between columns more of them fit; text that still has no room is folded.
            table.collapse_padding, table.pad_edge = True, False
        yield table


def _make_grid(*, pad_edge: bool) -> Any:
    """Return a table of rich with a line below its heading and no others."""
    from rich import box
    from rich.table import Table as Grid

    return Grid(box=box.SIMPLE_HEAD, pad_edge=pad_edge)


def _as_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else show_controls(str(value))


def _choose_mark(cell: Cell, bold: bool) -> str:
    return BEST if cell.is_best and not bold else CLOSE if cell.is_close else ""


def escape_markdown(text: str) -> str:
    """Keep Markdown from reading a name as a cell's end or as emphasis."""
    return "".join(f"\\{mark}" if mark in "\\|*_`<[" else mark for mark in show_controls(" ".join(text.split())))


def _write_html_cell(cell: Cell, place: int) -> str:
    text = html.escape(show_controls(cell.text)) + _choose_mark(cell, True)
    if place == 0:
        return f'<th scope="row" style="text-align: left; font-weight: normal">{text}</th>'
    return f'<td style="text-align: right; white-space: nowrap">{f"<b>{text}</b>" if cell.is_best else text}</td>'
