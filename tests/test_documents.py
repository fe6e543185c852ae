from __future__ import annotations

import re
import shlex
import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

import tastemap as tm
from tastemap.cli import app

ROOT = Path(__file__).parents[1]
# A tutorial is a notebook: it runs when the site is built.
PAGES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if not {"tutorials", "_build"} & set(file.relative_to(ROOT).parts)
}

_FIGURE = r"-?\b\d+\.\d+"


def blocks(page: str, language: str) -> list[tuple[int, str, str]]:
    """Return the code blocks of a language: the number of the line before, the code, and the output shown below it."""
    block = rf"^```{language}\n(.*?)^```$(?:\n+```text output\n(.*?)^```$)?"
    found = re.finditer(block, PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return [(PAGES[page][: block.start(1)].count("\n"), block[1], block[2] or "") for block in found]


def commands(page: str) -> list[str]:
    shell = "".join(block.replace("\\\n", " ") for _, block, _ in blocks(page, "sh"))
    return re.findall(r"^tastemap (.*?)(?: +#.*)?$", shell, flags=re.MULTILINE)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("an example opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def _texts(output: str) -> list[str]:
    return re.sub(_FIGURE, "", output).split()


def _figures(output: str) -> list[float]:
    return [float(figure) for figure in re.findall(_FIGURE, output)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_examples_of_a_page_run_one_after_the_other(
    page: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "datasets.movielens" in PAGES[page]:
        request.getfixturevalue("ml100k")  # fetched, where it can be, before the network is taken away
    request.getfixturevalue("no_network")
    request.getfixturevalue("own_registry")
    monkeypatch.chdir(tmp_path)
    module = ModuleType("page")  # which can be found, as a reader's own can: what stands on it can be pickled
    monkeypatch.setitem(sys.modules, "page", module)
    for lines_before, example, output in blocks(page, "python"):
        # The empty lines give a traceback the page's own line numbers. Annotations are what they are on the page, not
        # strings as in this file.
        exec(compile("\n" * lines_before + example, page, "exec", dont_inherit=True), vars(module))
        printed = capsys.readouterr().out
        if output:
            assert _texts(printed) == _texts(output)
            # Another kind of processor may round otherwise.
            assert _figures(printed) == pytest.approx(_figures(output), rel=0.01, abs=0.002)


@pytest.mark.parametrize(("page", "command"), [(page, command) for page in PAGES for command in commands(page)])
def test_the_commands_of_a_page_have_the_options_that_it_uses(page: str, command: str) -> None:
    known, words = get_command(app), shlex.split(command)
    while hasattr(known, "commands"):
        name, *words = words
        known = known.commands[name]
    # Parsed, not run: a wrong option or a missing argument raises.
    known.make_context(name, words)


def test_the_tables_of_the_readme_name_what_exists() -> None:
    names = set(re.findall(r"\btm\.(\w+)", PAGES["README.md"]))
    assert names <= set(dir(tm))
    methods = set(re.findall(r"\bmodel\.(\w+)\(", PAGES["README.md"]))
    assert all(hasattr(tm.ImplicitALS, method) for method in methods)


def _models(text: str) -> list[str]:
    return [name for name in re.findall(r"`(\w+)`", text) if name in tm.MODELS]


def _rows(page: str, heading: str) -> str:
    """Return the first cells of the table that is headed so."""
    (table,) = re.findall(rf"^{re.escape(heading)}\n((?:\|.*\n)+)", PAGES[page], flags=re.MULTILINE)
    return "\n".join(line.split("|")[1] for line in table.split("\n") if line)


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("README.md", "| model | what it is | when |"),
        ("docs/models/index.md", "| model | time | memory beside the data |"),
    ],
)
def test_the_tables_of_models_have_each_of_them_once(page: str, heading: str) -> None:
    assert sorted(_models(_rows(page, heading))) == sorted(tm.MODELS)


def test_the_readme_says_about_models_what_they_declare() -> None:
    prose = " ".join(PAGES["README.md"].split())
    (unexplained,) = re.findall(r"All but ([^.]*?) explain a score", prose)
    assert set(_models(unexplained)) == {name for name, cls in tm.MODELS.items() if cls.abilities.explains is None}
    (described,) = re.findall(r"\. ([^.]*?) take features of users and items", prose)
    assert set(_models(described)) == {name for name, cls in tm.MODELS.items() if cls.abilities.features}
    (rating,) = re.findall(r"\| ([^|]*) \| factors and biases that predict a rating \|", prose)
    assert set(_models(rating)) == {name for name, cls in tm.MODELS.items() if cls.abilities.ratings}
