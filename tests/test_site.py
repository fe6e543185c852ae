from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import tastemap as tm

DOCS = Path(__file__).parents[1] / "docs"


def _extension(name: str) -> ModuleType:
    """Import one of the site's own extensions, which are no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


abilities, docstrings, offline, reference, tutorials = map(
    _extension, ("abilities", "docstrings", "offline", "reference", "tutorials")
)


# -- the reference ----------------------------------------------------------------------------------------------------

REFERENCE = "".join(
    reference.fill_page(page.read_text(encoding="utf-8")) for page in sorted((DOCS / "api").glob("*.md"))
)
DOCUMENTED = re.findall(r"^\.\. (?:auto\w+|py:data):: tastemap\.(\S+)$", REFERENCE, flags=re.MULTILINE)


def test_every_public_name_is_in_the_reference_once() -> None:
    assert [name for name in sorted(DOCUMENTED) if name in tm.__all__] == sorted(tm.__all__)
    for name in tm.__all__:
        module = getattr(tm, name)
        if inspect.ismodule(module):
            of_it = {member.removeprefix(f"{name}.") for member in DOCUMENTED if member.startswith(f"{name}.")}
            own = {one for one in module.__all__ if getattr(tm, one, None) is not getattr(module, one)}
            assert of_it == own


def _documented() -> Iterator[tuple[str, str]]:
    """Return the name and the docstring of everything in the reference."""
    for name in DOCUMENTED:
        parts = name.split(".")
        # What is not public under tastemap itself is named by its module.
        depth = next((i for i in range(len(parts) - 1, 0, -1) if _is_module(".".join(["tastemap", *parts[:i]]))), 0)
        found: Any = importlib.import_module(".".join(["tastemap", *parts[:depth]])) if depth else tm
        for part in parts[depth:]:
            found = getattr(found, part)
        if not callable(found):
            continue
        yield name, inspect.getdoc(found) or ""
        members = vars(found).items() if inspect.isclass(found) else ()
        yield from ((f"{name}.{member}", inspect.getdoc(value) or "") for member, value in members if member[0] != "_")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text)


@pytest.mark.parametrize(("name", "text"), list(_documented()))
def test_no_word_of_a_docstring_is_lost_or_added(name: str, text: str) -> None:
    written = "\n".join(docstrings.write_rest(text.split("\n")))
    for markup in (r"\.\. code-block:: \w+", ":class: formula", ":py:obj:", ":Learned:", r"\\"):
        written = re.sub(markup, "", written)
    assert _words(written) == _words(text)


def test_the_examples_of_docstrings_run(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = data_folder / "online-retail" / "online-retail.parquet"
    if not shop.exists() or not (data_folder / "deskdrop").exists():
        pytest.skip(f"needs Online Retail and CI&T Deskdrop: {data_folder} does not hold both")
    monkeypatch.chdir(tmp_path)
    Path(shop.name).symlink_to(shop)
    names = {"tm": tm, "pl": pl, "datetime": datetime, "model": tm.Popular(), "path": data_folder / "deskdrop"}
    examples = [
        (name, inspect.cleandoc("\n".join(["", *run])))
        for name, text in _documented()
        for kind, run in docstrings._cut_runs(text.split("\n"))
        if kind == "code"
    ]
    assert {name for name, _ in examples} >= {"datasets.deskdrop", "datasets.online_retail", "Dataset.pairs"}
    for name, example in examples:
        exec(compile(example, name, "exec"), names)


def test_variables_of_types_and_options_have_no_page() -> None:
    names = ("tuning.tune.Tuned", "data.interactions.Reading", "data.interactions.Columns", "data.absent.Columns", "x")
    assert [docstrings._has_no_page(f"tastemap.{name}") for name in names] == [True, True, False, False, False]
    assert not docstrings._has_no_page("Columns")


def test_a_docstring_becomes_restructuredtext() -> None:
    text = """Pairs, times p*q_.

s(u, i) = p_u . q_i
step       p_u += rate
           for all *
as `fit` says.

factors, epochs : the "cg" of
    them, or UnknownIdError
kinds : what there is:
    numbers : one a_
    words : two

item_factors_ : float32

A. Author, of ``a_b``. For example::

    model.fit(1)
"""
    assert docstrings.write_rest(text.split("\n"), "Parameters") == [
        r"Pairs, times p\*q\_.",
        "",
        ".. code-block:: text",
        "   :class: formula",
        "",
        "   s(u, i) = p_u . q_i",
        "   step       p_u += rate",
        "              for all *",
        "",
        r"as \ :py:obj:`fit`\  says.",
        "",
        ":Parameters:",
        "   ``factors``, ``epochs``",
        r'      the \ ``"cg"``\  of them, or \ :py:obj:`UnknownIdError`\ ',
        "",
        "   ``kinds``",
        "      what there is:",
        "",
        "      ``numbers``",
        r"         one a\_",
        "",
        "      ``words``",
        "         two",
        "",
        "",
        "",
        ":Learned:",
        "   ``item_factors_``",
        "      float32",
        "",
        "",
        r"\ A. Author, of \ ``a_b``\ . For example:",
        "",
        ".. code-block:: python",
        "",
        "   model.fit(1)",
        "",
    ]


def test_an_empty_block_of_the_reference_leaves_nothing() -> None:
    assert reference.fill_page("a\n```{public} tastemap.kernels\n```\nb") == "a\n\nb"


# -- the models -------------------------------------------------------------------------------------------------------


def test_the_table_of_abilities_says_what_the_models_declare() -> None:
    heading, _, *rows = abilities.fill_page("```{abilities}\n```").split("\n")
    assert heading == (
        "| model | a weight is | predicts | explains | new people | features | similar | epochs | seeded |"
    )
    assert [row.split("`")[1] for row in rows] == [cls.__module__.split(".")[-1] for cls in tm.MODELS.values()]
    assert rows[0] == "| {doc}`random` | ignored | an order | - | at random | - | - | - | yes |"
    assert rows[5] == "| {doc}`ease` | strength | an order | exactly | exact | - | items | - | no chance in it |"
    assert rows[9] == (
        "| {doc}`warp` | length of a step | an order | leaving one out | by steps | users, items | items, users | yes "
        "| yes |"
    )
    assert rows[12] == "| {doc}`explicit_als` | the rating | ratings | exactly | exact | - | items, users | yes | yes |"


def test_a_page_of_a_model_without_its_facts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must say in its front matter 'weight: \.\.\.': '# WARP"):
        abilities._read_fact("weight", "# WARP\n\nweight: 1\n")


# -- the site ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ('<script async src="https://a.b/c.js"></script>', ["https://a.b/c.js"]),
        ('<link rel="stylesheet" href="//a.b/c.css">', ["//a.b/c.css"]),
        ("@font-face { src: url('https://a.b/c.woff2') }", ["https://a.b/c.woff2"]),
        ('<a href="https://a.b">elsewhere</a> <img src="here.svg"> <link rel="stylesheet" href="c.css">', []),
    ],
)
def test_addresses_that_a_page_loads_are_found(text: str, loaded: list[str]) -> None:
    assert offline.find_remote_addresses(text) == loaded


def test_a_tutorial_says_which_of_its_data_are_absent(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    text = "---\nkernelspec:\n  name: python3\nneeds: here/, there.csv\n---\n# Title\n\nneeds: text\n"
    assert tutorials.find_missing(text, tmp_path) == ["there.csv"]
    assert tutorials.find_missing("# Title\n\nneeds: text\n", tmp_path) == []
    assert "# Title\n\n:::{note}\nNot run here" in tutorials.add_note(text, ["there.csv"])
    assert "holds no there.csv." in tutorials.add_note(text, ["there.csv"])


def test_frames_in_tutorials_have_bare_strings_and_empty_nulls() -> None:
    frame = pl.DataFrame({"title": ['say "Aja"', None, "null", "too long to show"], "n": [1, None, 3, 4]})
    with pl.Config(fmt_str_lengths=9):
        cells = re.findall("<td>(.*?)</td>", tutorials.strip_quotes(frame._repr_html_()))
    assert cells[2:] == ["say &quot;Aja&quot;", "1", "", "", "null", "3", "too long …", "4"]
