"""What the checkers of types, and so editors, see of the package as it is installed: mypy and pyright agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = ("api.py", "mistakes.py")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds what is in the wheel."""
    built, installed = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("installed")
    _run("hatchling", "build", "--target", "wheel", "--directory", str(built), folder=ROOT)
    (wheel,) = built.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    return installed


@pytest.fixture(scope="module")
def mistakes() -> list[str]:
    """The lines that must be errors, as "mistakes.py:12"."""
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").split("\n")
    return [f"mistakes.py:{number}" for number, line in enumerate(lines, 1) if "  # wrong: " in line]


def test_the_wheel_holds_what_checkers_of_types_read(installed: Path) -> None:
    for name in ("py.typed", "__init__.pyi"):
        assert (installed / "tastemap" / name).is_file()


def test_mypy_finds_the_mistakes_of_a_program_and_no_others(installed: Path, mistakes: list[str]) -> None:
    # Away from the cache of the package's own check, whose options are others.
    cache = ROOT / ".mypy_cache" / "typing"
    printed = _run(
        "mypy", "--config-file", "mypy.ini", "--cache-dir", str(cache), *PROGRAMS, MYPYPATH=str(installed)
    )  # fmt: skip
    assert _places(re.findall(r"^(\w+\.py):(\d+): error: ", printed, flags=re.MULTILINE)) == mistakes, printed


def test_pyright_finds_the_mistakes_of_a_program_and_no_others(
    installed: Path, mistakes: list[str], tmp_path: Path
) -> None:
    settings = {
        "include": [str(HERE / name) for name in PROGRAMS],
        "extraPaths": [str(installed)],
        "typeCheckingMode": "standard",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    printed = _run("basedpyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path))
    errors = [found for found in json.loads(printed)["generalDiagnostics"] if found["severity"] == "error"]
    places = [(Path(found["file"]).name, found["range"]["start"]["line"] + 1) for found in errors]
    assert _places(places) == mistakes, "\n".join(f"{found['range']['start']} {found['message']}" for found in errors)


def _places(found: list[tuple[str, str]] | list[tuple[str, int]]) -> list[str]:
    """Return each line once, in order."""
    return [f"{file}:{line}" for file, line in sorted({(file, int(line)) for file, line in found})]


def _run(module: str, *arguments: str, folder: Path = HERE, **environment: str) -> str:
    """Run a module of this Python and return what it prints, whether it finds errors (1) or none (0)."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout
