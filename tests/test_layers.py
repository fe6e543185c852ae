"""Imports go one way: down the list of rooms in CONTRIBUTING.md, and never in a circle."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("layers", Path(__file__).parents[1] / "docs" / "layers.py")
assert _spec is not None
assert _spec.loader is not None
layers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layers)

IMPORTS = layers.read_imports(layers.SOURCE)
ROOMS = layers.read_rooms(layers.ORDER.read_text(encoding="utf-8"))


def test_every_room_stands_in_contributing() -> None:
    assert {module for module in IMPORTS if not layers.room_of(module, ROOMS)} == set()
    assert {layers.room_of(module, ROOMS) for module in IMPORTS} == set(ROOMS)
    assert len(set(ROOMS)) == len(ROOMS)


def test_no_module_imports_from_a_room_above_its_own() -> None:
    assert layers.find_arrows_up(IMPORTS, ROOMS) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert layers.find_circle(IMPORTS) == []


def test_imports_of_every_kind_are_read(tmp_path: Path) -> None:
    files = {
        "own/__init__.py": "",
        "own/__init__.pyi": "from own.low import thing as thing",
        "own/low.py": "import os\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import own.high.tall as t\n",
        "own/high/__init__.py": "from . import tall\nfrom ..low import thing",
        "own/high/tall.py": "def late():\n    from own import low, nothing_of_that_name\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    imports = layers.read_imports(tmp_path)
    assert imports == {
        "own": {"own.low"},
        "own.low": {"own.high.tall"},
        "own.high": {"own.high.tall", "own.low"},
        "own.high.tall": {"own.low", "own"},
    }
    assert layers.find_arrows_up(imports, ["low", "high", "own"]) == {
        ("own.low", "own.high.tall"),
        ("own.high.tall", "own"),
    }
    circle = layers.find_circle(imports)
    assert circle[0] == circle[-1]
    assert all(before in imports[module] for before, module in itertools.pairwise(circle))
    assert layers.find_circle({"a": {"b"}, "b": set()}) == []


def test_the_innermost_room_counts() -> None:
    rooms = ["models/shared", "models", "tastemap"]
    names = ["tastemap", "tastemap.models", "tastemap.models.bpr", "tastemap.models.shared.base", "tastemap.errors"]
    assert [layers.room_of(name, rooms) for name in names] == ["tastemap", "models", "models", "models/shared", ""]


def test_the_rooms_are_read_from_the_table() -> None:
    text = "text\n\n| rooms | what |\n|---|---|\n| `a` `b/c` | says `d` |\n| `e` | more |\n\n| `x` | other |\n"
    assert layers.read_rooms(text) == ["a", "b/c", "e"]
    with pytest.raises(ValueError, match="has no table"):
        layers.read_rooms("| room |")
