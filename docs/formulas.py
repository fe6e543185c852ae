"""Renders formulas as MathML, by docutils: pages need no script, no font and no network for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from docutils.nodes import math, math_block
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator


def _write_inline(translator: HTML5Translator, node: math) -> None:
    translator.body.append(_write_mathml(node, as_block=False))
    raise SkipNode


def _write_block(translator: HTML5Translator, node: math_block) -> None:
    translator.body.append(f'<div class="math">{_write_mathml(node, as_block=True)}</div>\n')
    raise SkipNode


def _write_mathml(node: math | math_block, *, as_block: bool) -> str:
    from sphinx.errors import SphinxError

    try:
        return str(tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        raise SphinxError(f"{node.source}:{node.line}: {error}") from error


def setup(app: Sphinx) -> dict[str, bool]:
    """Register this extension with Sphinx, for html_math_renderer = "mathml"."""
    app.add_html_math_renderer("mathml", (_write_inline, None), (_write_block, None))
    app.add_css_file("formulas.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
