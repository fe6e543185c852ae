"""A few kills; `make kill` does hundreds."""

from __future__ import annotations

import sys

import pytest
from kills import kill_once
from kinds import KINDS, SERVER

if sys.platform == "win32":
    pytest.skip("the moments of kills are those of POSIX", allow_module_level=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_loses_nothing_and_blocks_nothing(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if KINDS[kind].server:
        monkeypatch.setenv(SERVER, request.getfixturevalue("postgresql").uri)
    killed = kill_once(kind, number=0, seed=0)
    assert killed.failure is None
