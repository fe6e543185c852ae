"""Plain tables; those with marked cells are tested with the comparisons that make them."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from tastemap.tables import Column, PlainTable, escape_controls, show_controls


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Amélie ♥ 東京 👩‍🔬 עברית", "Amélie ♥ 東京 👩‍🔬 עברית"),
        ("a\x1b[31mb\x07", r"a\x1b[31mb\x07"),
        ("a\x9b\x7f\x85", r"a\x9b\x7f\x85"),
        ("\u202egpj.exe\u2069", r"\u202egpj.exe\u2069"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("half \udc80", r"half \udc80"),
    ],
)
def test_control_characters_are_spelt_out(text: str, shown: str) -> None:
    assert show_controls(text) == shown
    assert show_controls(shown) == shown
    assert show_controls(text, keep=text) == text
    table = PlainTable((Column(text),), [(text,)])
    assert [line.strip() for line in print_table(table, 80)] == [shown] * 2
    document = escape_controls(json.dumps({text: [text]}, indent=2, ensure_ascii=False))
    assert json.loads(document) == {text: [text]}
    assert show_controls(document, keep="\n") == document
