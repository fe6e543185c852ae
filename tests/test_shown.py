"""What notebooks show: tables in HTML and cards in Markdown, with all that a file holds escaped."""

from __future__ import annotations

import polars as pl

import tastemap as tm

EVIL = "<script>alert(1)</script>"


def test_html_escapes_what_files_hold() -> None:
    frame = pl.DataFrame({EVIL: [EVIL, EVIL, "b", "b"], "item|*x*": [EVIL, "y", EVIL, "z"]})
    data = tm.Interactions.from_frame(frame, user=EVIL, item="item|*x*")
    model = tm.ImplicitALS(factors=2).fit(data, progress=False)
    explained = model.explain(EVIL, "z")
    evaluation = tm.evaluate(model, data, exclude=None, metrics=("ndcg@2", "recall@2"))
    for shown in (data, explained, evaluation):
        html = shown._repr_html_()
        assert html.startswith("<table>")
        assert "<script" not in html
    assert "&lt;script&gt;" in data._repr_html_()
    assert "4 pairs" in data._repr_html_()
    assert "leave-one-out" in explained._repr_html_() or "exact" in explained._repr_html_()
    assert "recall@2" in evaluation._repr_html_()
    card = model.card()
    assert isinstance(card, str)
    assert card._repr_markdown_() == card  # type: ignore[attr-defined]
    assert "\\<script>" in card
    assert r"item\|\*x\*" in card


def test_a_writable_copy_of_the_matrix() -> None:
    data = tm.Interactions.from_frame({"user": [1, 2], "item": [1, 2]})
    matrix = data.to_csr()
    matrix.data[:] = 7
    matrix.indices[:] = 0
    assert data.matrix.data.tolist() == [1, 1]
    assert data.matrix.indices.tolist() == [0, 1]
