"""Writes the reference from the public names, so that new names are in it at once.

A page says in blocks where names go::

    ```{public} evaluate tastemap.evaluation
    ```

This block becomes the entry of `tastemap.evaluate`, then the entries of all other public names from that package, but
for those that a more specific block takes. A public module has the entries of its `__all__`, a table such as `METRICS`
those of its classes, but for those that are public themselves.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tastemap as tm

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_BLOCK = re.compile(r"^```\{public\} (.+)\n```$", flags=re.MULTILINE)
_PAGES = Path(__file__).parent / "api"


def fill_page(page: str) -> str:
    """Return a page with entries in place of its blocks."""
    return _BLOCK.sub(lambda block: _as_rest([*_write_entries(block[1].split())]), page)


def _as_rest(lines: list[str]) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"]) if lines else ""


def _write_entries(places: list[str]) -> Iterator[str]:
    all_places = [
        place
        for page in _PAGES.glob("*.md")
        for block in _BLOCK.finditer(page.read_text(encoding="utf-8"))
        for place in block[1].split()
    ]
    for place in places:
        for name, home in tm._HOMES.items():
            if _choose_place(name, home, all_places) == place:
                yield from _write_entry(f"tastemap.{name}", getattr(tm, name), home)


def _choose_place(name: str, home: str, places: list[str]) -> str:
    """Return the most specific of the places, each a name or a module, that a public name can go to."""
    path = f"tastemap.{name}" if home == "tastemap" else home
    fit = [place for place in places if place == name or f"{path}.".startswith(f"{place}.")]
    return name if name in fit else max(fit, key=len, default="")


def _write_entry(name: str, value: Any, home: str) -> Iterator[str]:
    if inspect.ismodule(value):
        yield from (f".. automodule:: {name}", "   :no-members:", "")
        for member in value.__all__:
            if getattr(tm, member, None) is not getattr(value, member):
                yield from _write_entry(f"{name}.{member}", getattr(value, member), name)
    elif inspect.isclass(value):
        kind = "exception" if issubclass(value, Exception) else "class"
        yield f".. auto{kind}:: {name}"
        if kind == "exception":
            yield "   :show-inheritance:"
        elif not issubclass(value, tuple):  # whose docstring says what its places are
            yield from ("   :members:", "   :member-order: bysource")
        yield ""
    elif callable(value):
        yield from (f".. autofunction:: {name}", "")
    else:
        yield from (f".. py:data:: {name}", "", f"   {_read_comment(name, home)}", "")
        for member in value.values() if isinstance(value, Mapping) else ():
            if inspect.isclass(member) and member.__name__ not in tm.__all__:
                yield from _write_entry(f"{member.__module__}.{member.__name__}", member, member.__module__)


def _read_comment(name: str, home: str) -> str:
    """Return what the lines `#:` above an assignment say."""
    short = name.rpartition(".")[2]
    lines = re.search(rf"((?:^#: .*\n)+)^{short}\b", inspect.getsource(importlib.import_module(home)), re.MULTILINE)
    if lines is None:
        raise ValueError(f"{home} must say above {short}, in a comment that starts with '#: ', what it is")
    return lines[1].replace("#: ", "").replace("\n", " ").strip()


def _on_source(app: Sphinx, name: str, content: list[str]) -> None:
    if name.startswith("api/"):
        app.env.note_dependency(str(Path(tm.__file__).with_suffix(".pyi")))
        content[0] = fill_page(content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register this extension with Sphinx."""
    app.connect("source-read", _on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
