"""Three hundred bad requests; `python tests/serve/bad_requests.py` sends ten thousand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from bad_requests import KINDS, SLOW_KINDS, find_traces, try_many
from running import running

if sys.platform == "win32":
    pytest.skip("processes are ended by signals of POSIX", allow_module_level=True)


def test_a_bad_request_gets_one_sentence_and_the_next_is_answered(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        found = try_many(server, 300, seed=0)
        assert find_traces(server, tmp_path / "events") == []
    assert [one for one in found if one.fault is not None] == []
    assert {one.kind for one in found} == KINDS.keys() | SLOW_KINDS.keys()


def test_a_stopped_server_ends_well(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.stop() == 0
