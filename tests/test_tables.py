"""Plain tables; those with marked cells are tested with the comparisons that make them."""

from __future__ import annotations

import io

from rich.console import Console

from tastemap.tables import Column, PlainTable


def print_table(table: PlainTable, width: int = 40) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines() if line.strip(" ─")]


def test_numbers_are_at_the_right_and_none_is_empty() -> None:
    columns = (Column("rank", is_number=True), Column("title [x]"), Column("score", is_number=True))
    table = PlainTable(columns, [(1, "[b]One[/b]", 0.123456), (10, None, 2)])
    assert print_table(table) == [
        "  rank   title [x]     score",
        "     1   [b]One[/b]   0.1235",
        "    10                     2",
    ]


def test_text_without_room_is_folded_or_cut() -> None:
    columns = (Column("a"), Column("b", widest=4))
    lines = print_table(PlainTable(columns, [("one two three", "abcdefgh")]), width=13)
    assert lines == [" a      b", " one    abc…", " two", " three"]
