from __future__ import annotations

import re
from pathlib import Path

import pytest

from tastemap.errors import MissingPackageError
from tastemap.extras import optional


def test_a_module_that_is_there_is_imported() -> None:
    assert optional("json.decoder", "json", extra="text", purpose="this test").__name__ == "json.decoder"


def test_a_package_that_is_absent_is_named_with_its_extra() -> None:
    message = 'tune needs no-such-thing, which is not installed: run pip install "tastemap[tune]"'
    with pytest.raises(MissingPackageError, match=re.escape(message)):
        optional("no_such_thing.inside", "no-such-thing", extra="tune", purpose="tune")


def test_what_an_installed_package_misses_itself_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("import no_such_thing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_thing'") as caught:
        optional("half_installed", "half-installed", extra="text", purpose="this test")
    assert not isinstance(caught.value, MissingPackageError)
