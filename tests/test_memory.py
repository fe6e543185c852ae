from __future__ import annotations

import pytest

import tastemap as tm
from tastemap import memory
from tastemap.memory import available_memory


def test_some_memory_is_there() -> None:
    available = available_memory()
    assert available is None or 1e6 < available < 1e15


def test_the_narrowest_of_machine_container_and_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, container, limit, expected in (
        (5, 3, 4, 3),
        (5, None, 4, 4),
        (5, None, None, 5),
        (None, None, None, None),
    ):
        monkeypatch.setattr(memory, "_read_machine", lambda machine=machine: machine)
        monkeypatch.setattr(memory, "_read_container", lambda container=container: container)
        monkeypatch.setattr(memory, "_read_limit", lambda limit=limit: limit)
        assert available_memory() == expected


def test_what_needs_more_than_is_free_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 10**9)
    memory.ask("a table", 2 * 10**9)
    with pytest.raises(tm.DataError, match=r"^a table takes 3\.0 GB, and 2\.0 GB are free: ask for less$") as caught:
        memory.ask("a table", 3 * 10**9, "ask for less")
    assert caught.value.facts == {"needed": 3 * 10**9, "available": 2 * 10**9}
    monkeypatch.setattr(memory, "available_memory", lambda: None)  # where the system does not say
    memory.ask("a table", 10**15)


def test_small_needs_do_not_ask_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    memory.ask("a list", memory.SMALL - 1)
