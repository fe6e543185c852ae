"""Writes the table of what each model can do, from the abilities that its class declares and from its page.

The table replaces the block::

    ```{abilities}
    ```

The page of a model has the name of its module. Its front matter says what a `weight` of the data means to the model and
how it serves new users, as `new people`.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tastemap as tm

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_BLOCK = "```{abilities}\n```"
_PAGES = Path(__file__).parent / "models"
_HEADING = ("model", "a weight is", "predicts", "explains", "new people", "features", "similar", "epochs", "seeded")


def fill_page(page: str) -> str:
    """Return a page with the table in place of the block."""
    rows = [_HEADING, ("---",) * len(_HEADING), *map(_write_row, tm.MODELS.values())]
    return page.replace(_BLOCK, "\n".join(f"| {' | '.join(row)} |" for row in rows))


def _write_row(model: type[tm.Model]) -> tuple[str, ...]:
    can = model.abilities
    page = model.__module__.rpartition(".")[2]
    text = (_PAGES / f"{page}.md").read_text(encoding="utf-8")
    similar = [name for name, able in (("items", can.similar_items), ("users", can.similar_users)) if able]
    return (
        f"{{doc}}`{page}`",
        _read_fact("weight", text),
        "ratings" if can.ratings else "an order",
        {"exact": "exactly", "leave-one-out": "leaving one out", None: "-"}[can.explains],
        _read_fact("new people", text),
        "users, items" if can.features else "-",
        ", ".join(similar) or "-",
        "yes" if can.epochs else "-",
        "yes" if "seed" in {field.name for field in fields(model)} else "no chance in it",
    )


def _read_fact(name: str, page: str) -> str:
    """Return what the front matter of a page says under a name."""
    found = re.match(rf"---\n(?:.*\n)*?{name}: (.+)\n", page)
    if found is None:
        raise ValueError(f"a model's page must say in its front matter '{name}: ...': {page[:60]!r}")
    return found[1]


def _on_source(app: Sphinx, name: str, content: list[str]) -> None:
    if _BLOCK in content[0]:
        content[0] = fill_page(content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register this extension with Sphinx."""
    app.connect("source-read", _on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
