"""Runs the tutorials whose data are present; the others are shown without results, with a note.

Frames among the results are shown without the quotes that polars puts around strings, and with nothing for a null.

A tutorial names what it needs in its front matter: the files and folders of TASTEMAP_DATA, in one line
`needs: ml-1m/ratings.parquet, online-retail`. There, too, `kernelspec` gives name, display_name and language.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils.nodes import document
    from sphinx.application import Sphinx
    from sphinx.config import Config

_NEEDS = re.compile(r"\A---\n(?:.*\n)*?needs: *(.+)\n(?:.*\n)*?---\n")
_TITLE = re.compile(r"^# .*\n", flags=re.MULTILINE)
_QUOTED = re.compile(r"<td>(?:null|&quot;(.*?)(?:&quot;)?)</td>", flags=re.DOTALL)  # cut off, a string has no second


def find_missing(text: str, data: Path) -> list[str]:
    """Return the files that a tutorial needs and the folder of data lacks."""
    needs = _NEEDS.match(text)
    return [] if needs is None else [name for name in re.split(r", *", needs[1].strip()) if not (data / name).exists()]


def add_note(text: str, absent: list[str]) -> str:
    """Return a tutorial with a note under its title that names the absent files."""
    note = f":::{{note}}\nNot run here, so shown without results: TASTEMAP_DATA holds no {', no '.join(absent)}.\n:::"
    return _TITLE.sub(lambda title: f"{title[0]}\n{note}\n", text, count=1)


def strip_quotes(table: str) -> str:
    """Return a frame of polars in HTML with bare strings and empty cells for nulls."""
    return _QUOTED.sub(lambda cell: f"<td>{cell[1] or ''}</td>", table)


def _find_data() -> Path:
    return Path(os.environ.get("TASTEMAP_DATA", "../shared/data")).absolute()


def _on_config(app: Sphinx, config: Config) -> None:
    # Notebooks run in a folder of their own.
    os.environ["TASTEMAP_DATA"] = str(_find_data())
    for file in sorted(Path(app.srcdir).glob("tutorials/*.md")):
        absent = find_missing(file.read_text(encoding="utf-8"), _find_data())
        if absent:
            print(f"tutorials/{file.name} is not run: TASTEMAP_DATA holds no {', no '.join(absent)}", file=sys.stderr)
            config.nb_execution_excludepatterns = [*config.nb_execution_excludepatterns, f"tutorials/{file.name}"]


def _on_source(app: Sphinx, name: str, content: list[str]) -> None:
    absent = find_missing(content[0], _find_data()) if name.startswith("tutorials/") else []
    if absent:
        content[0] = add_note(content[0], absent)


def _on_read(app: Sphinx, page: document) -> None:
    from docutils.nodes import Text, raw

    for output in page.findall(raw):
        if output["format"] == "html" and 'class="dataframe"' in output.astext():
            output.rawsource = strip_quotes(output.astext())
            output.children = [Text(output.rawsource)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register this extension with Sphinx."""
    app.connect("config-inited", _on_config, priority=100)  # before MyST-NB reads its settings
    app.connect("source-read", _on_source)
    app.connect("doctree-read", _on_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
