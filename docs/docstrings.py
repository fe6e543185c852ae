"""Turns the project's docstrings into reStructuredText, and their names into links.

A docstring is a sentence, then formulas whose columns are aligned, lines "name : text" for parameters and fitted
arrays, and paragraphs. Backticks mark code. Nothing else is markup: a * is a product and a_ is a name.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, is_typeddict

import tastemap as tm
from tastemap.models.shared.base import Model

if TYPE_CHECKING:
    from docutils.nodes import Element, reference
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_FIELD = re.compile(r"(\*{0,2}\w[\w., ]*) : (.*)")
_EQUATION = re.compile(r"\S+(\(.*?\))? = ")
_COLUMNS = re.compile(r"\S {2,}\S")
_SPAN = re.compile(r"""``(?P<code>.+?)``|`(?P<name>.+?)`|(?P<string>(\w+=)?"[^"\s]+")|(?P<word>\b[A-Z]\w*[A-Z]\w*\b)""")
_NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")

# Public names are documented under these; what only results or signatures mention is documented where it is defined.
_PLACES = ("tastemap", "tastemap.Model", "tastemap.modelling")

# Public classes that are only returned.
_RESULTS = (
    *("Comparison", "CrossValidation", "Dataset", "Epoch", "Evaluation", "Explanation", "Lists"),
    *("Scorer", "ScoringVectors", "Tuning"),
)


def write_rest(lines: Sequence[str], label: str = "") -> list[str]:
    """Return a docstring as reStructuredText.

    label : the heading of fields whose names do not end in "_"; fields that end in it, which `fit` sets, are "Learned"
    """
    written: list[str] = []
    for kind, run in _cut_runs(lines):
        written += [*_WRITERS[kind](run, label), ""]
    return written


def _cut_runs(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Cut a docstring into runs of lines of one kind: "text", "formulas", "fields" or "code"."""
    kind, run, last = "", list[str](), ""
    for line in lines:
        # A docstring opens with a sentence, even where that begins as a formula does.
        now = _find_kind(line, kind, starts=not last) if kind else "text"
        if now != kind or (line and not last and line[0] != " "):
            if run:
                yield kind, run
            kind, run = now, []
        if line or run:
            run.append(line)
        last = line
    if run:
        yield kind, run


def _find_kind(line: str, before: str, *, starts: bool) -> str:
    """Return the kind of a line; `before` is the kind of the line before it, `starts` whether a block starts here."""
    if not line:
        return before
    if line[0] == " ":
        return before if before != "text" else "code" if starts else "formulas"
    if _FIELD.fullmatch(line):
        return "fields"
    if _COLUMNS.search(line) or (_EQUATION.match(line) and (starts or before == "formulas")):
        return "formulas"
    return "text"


def _write_text(run: list[str], label: str) -> list[str]:
    text = " ".join(run).strip()
    # A line before an example ends in two colons. A backslash keeps "A. Author" from being read as a list.
    opening = "\\ " if re.match(r"\(?\w+[.)] |[-+] ", text) else ""
    return [opening + _mark_inline(re.sub("::$", ":", text))]


def _write_formulas(run: list[str], label: str) -> list[str]:
    return [".. code-block:: text", "   :class: formula", "", *_indent(run)]


def _write_code(run: list[str], label: str) -> list[str]:
    return [".. code-block:: python", "", *_indent(inspect.cleandoc("\n".join(["", *run])).split("\n"))]


def _write_fields(run: list[str], label: str) -> list[str]:
    fields: list[tuple[str, list[str]]] = []
    for line in run:
        field = _FIELD.fullmatch(line)
        if field:
            fields.append((field[1], [field[2]]))
        else:
            fields[-1][1].append(line[4:])
    written: list[str] = []
    for names, body in fields:
        written += [", ".join(f"``{name}``" for name in names.split(", ")), *_indent(write_rest(body))]
    if all(names.endswith("_") for names, _ in fields):
        label = "Learned"
    return [f":{label}:", *_indent(written)] if label else written


_WRITERS = {"text": _write_text, "formulas": _write_formulas, "code": _write_code, "fields": _write_fields}


def _indent(lines: Sequence[str]) -> list[str]:
    return [f"   {line}" if line else "" for line in lines]


def _mark_inline(text: str) -> str:
    """Mark code, strings and names, and escape every other sign that has a meaning."""
    written, end = "", 0
    for span in _SPAN.finditer(text):
        name = span["name"] or (span["word"] if span["word"] in tm.__all__ or _is_error(span["word"]) else None)
        code = span["code"] or span["string"] or name
        if code is None:
            continue
        role = ":py:obj:`{}`" if name and _NAME.fullmatch(name) else "``{}``"
        # The empty escape lets markup end where no space follows, as in "`skip`ped".
        written += f"{_escape(text[end : span.start()])}\\ {role.format(code)}\\ "
        end = span.end()
    return written + _escape(text[end:])


def _is_error(word: str | None) -> bool:
    return word is not None and word.endswith("Error")


def _escape(text: str) -> str:
    return re.sub(r"([\\*_`|])", r"\\\1", text)


def _on_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what == "class":
        label = "Parameters" if issubclass(obj, Model) and obj is not Model else "Attributes"
    else:
        label = "Columns" if what in ("property", "attribute") else "Parameters"  # such describe frames
    lines[:] = write_rest(lines, label)


def _on_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Hide the constructors of classes that are only returned."""
    made = what != "class" or (obj.__name__ in tm.__all__ and obj.__name__ not in _RESULTS)
    return (signature, returns) if made else ("", None)


def _on_bases(app: Sphinx, name: str, obj: Any, options: Any, bases: list[Any]) -> None:
    """Show the public classes that a class derives from, through those that are not."""
    while any(base.__name__.startswith("_") for base in bases):
        bases[:] = [one for base in bases for one in (base.__bases__ if base.__name__.startswith("_") else (base,))]


def _on_missing_reference(
    app: Sphinx, env: BuildEnvironment, node: Element, content: Element
) -> reference | Element | None:
    """Find a name that is public under another one; code that names nothing documented stays code."""
    if node.get("refdomain") != "py":
        return None
    objects, target = env.domains.python_domain.objects, node["reftarget"]
    for name in (target, target.rpartition(".")[2]) if target.startswith("tastemap.") else (target,):
        for place in _PLACES:
            found = objects.get(f"{place}.{name}")
            if found:
                from sphinx.util.nodes import make_refnode

                return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content)
    return content if node["reftype"] == "obj" or _has_no_page(target) else None


def _has_no_page(target: str) -> bool:
    """Return whether a name is that of a type variable, or of options that another function documents."""
    module, _, name = target.rpartition(".")
    try:
        named = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError):
        return False
    return isinstance(named, TypeVar) or is_typeddict(named)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register this extension with Sphinx."""
    from sphinx.pycode.parser import VariableCommentPicker

    # A function has one signature here: overloads tell checkers of types no more than its docstring tells readers.
    VariableCommentPicker.is_overload = lambda self, decorators: False  # type: ignore[method-assign]
    app.connect("autodoc-process-docstring", _on_docstring)
    app.connect("autodoc-process-signature", _on_signature)
    app.connect("autodoc-process-bases", _on_bases)
    app.connect("missing-reference", _on_missing_reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
