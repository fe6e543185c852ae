"""Fails the build where a page would load something from the network: it must work from disk, and tell nobody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?((?:https?:)?//[^"'\s>]*)"""
    r"""|<link\b(?=[^>]*rel=["']?(?:stylesheet|preload|icon))[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]*)"""
    r"""|(?:@import\s+|url\()["']?((?:https?:)?//[^"')\s]*)"""
)


def find_remote_addresses(text: str) -> list[str]:
    """Return the addresses that a page or a style sheet loads from another place when it is opened."""
    return [next(filter(None, found)) for found in _LOADED.findall(text)]


def _on_build_finished(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    from sphinx.errors import SphinxError

    folder = Path(app.outdir)
    for file in sorted([*folder.rglob("*.html"), *folder.rglob("*.css")]):
        loaded = find_remote_addresses(file.read_text(encoding="utf-8"))
        if loaded:
            raise SphinxError(f"{file.relative_to(folder)} loads {loaded[0]}: pages must work without a network")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register this extension with Sphinx."""
    app.connect("build-finished", _on_build_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
