from __future__ import annotations

import pytest

from tastemap import memory
from tastemap.memory import available_memory


def test_some_memory_is_there() -> None:
    available = available_memory()
    assert available is None or 1e6 < available < 1e15


def test_the_narrower_of_machine_and_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, container, expected in ((5, 3, 3), (5, None, 5), (None, None, None)):
        monkeypatch.setattr(memory, "_read_machine", lambda machine=machine: machine)
        monkeypatch.setattr(memory, "_read_container", lambda container=container: container)
        assert available_memory() == expected
