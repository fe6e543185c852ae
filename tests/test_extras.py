from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tastemap.errors import MissingPackageError
from tastemap.extras import import_extra

ROOT = Path(__file__).parents[1]


def test_a_module_that_is_there_is_imported() -> None:
    assert import_extra("json.decoder", "json", extra="text", purpose="this test").__name__ == "json.decoder"


def test_a_package_that_is_absent_is_named_with_its_extra() -> None:
    message = 'tune needs no-such-thing, which is not installed: run pip install "tastemap[tune]"'
    with pytest.raises(MissingPackageError, match=re.escape(message)):
        import_extra("no_such_thing.inside", "no-such-thing", extra="tune", purpose="tune")


def test_an_import_error_inside_an_installed_package_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import no_such_thing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_thing'") as caught:
        import_extra("half_installed", "half-installed", extra="text", purpose="this test")
    assert not isinstance(caught.value, MissingPackageError)


def test_an_extra_brings_the_packages_that_messages_name_it_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    brought = {extra: {re.split(r"[<>=]", wanted)[0] for wanted in extras[extra]} for extra in extras}
    code = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "src").rglob("*.py")))
    named = set(re.findall(r'import_extra\(\s*"[\w.]+", "([\w-]+)", extra="(\w+)"', code))
    named |= {(package, "database") for package in re.findall(r'import_driver\("[\w.]+", "([\w-]+)"\)', code)}
    assert named >= {("matplotlib", "plot"), ("scikit-learn", "plot"), ("optuna", "tune"), ("duckdb", "database")}
    assert {(package, extra) for package, extra in named if package not in brought[extra]} == {
        ("sqlalchemy", "tune")  # optuna brings it
    }
