from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tastemap.files.cache import cache_folder, make_private


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASTEMAP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("TASTEMAP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tastemap"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "win32")
    assert cache_folder() == tmp_path / "tastemap" / "cache"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "tastemap"


@pytest.mark.skipif(os.name != "posix", reason="needs owners and modes of files")
def test_a_private_folder_is_its_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kernels"
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    make_private(folder)
    for mode in (0o770, 0o707, 0o722):
        folder.chmod(mode)
        with pytest.raises(PermissionError, match=r"others may write to .*kernels, and may have: remove it"):
            make_private(folder)
        make_private(folder, is_checked_inside=True)
        assert folder.stat().st_mode & 0o777 == 0o700
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    for is_checked_inside in (False, True):
        with pytest.raises(PermissionError, match=r"kernels belongs to another user"):
            make_private(folder, is_checked_inside=is_checked_inside)
