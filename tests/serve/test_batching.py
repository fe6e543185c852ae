from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tastemap.serve import batching
from tastemap.serve.batching import Batcher, BusyError


def square(batch: Sequence[int]) -> list[int | Exception]:
    return [n * n if n >= 0 else ValueError(f"{n} is below 0") for n in batch]


def test_what_arrives_while_a_batch_is_at_work_is_the_next_batch() -> None:
    sizes = list[int]()
    started, go = threading.Event(), threading.Event()

    def wait(batch: Sequence[int]) -> list[int | Exception]:
        started.set()
        go.wait(10)
        return square(batch)

    async def run() -> list[int]:
        batcher = Batcher(wait, observe=sizes.append)
        first = batcher.ask(1)
        while not started.is_set():
            await asyncio.sleep(0)
        rest = [batcher.ask(n) for n in range(2, 6)]
        assert len(batcher) == 4
        go.set()
        return list(await asyncio.gather(first, *rest))

    assert asyncio.run(run()) == [1, 4, 9, 16, 25]
    assert sizes == [1, 4]


def test_a_batch_has_at_most_so_many_and_all_are_answered() -> None:
    sizes = list[int]()

    async def run() -> list[int]:
        batcher = Batcher(square, 10, observe=sizes.append)
        return list(await asyncio.gather(*(batcher.ask(n) for n in range(95))))

    assert asyncio.run(run()) == [n * n for n in range(95)]
    assert max(sizes) == 10
    assert sum(sizes) == 95


def test_the_error_of_one_is_raised_for_this_one_only() -> None:
    async def run() -> list[int | BaseException]:
        batcher = Batcher(square)
        return list(await asyncio.gather(*map(batcher.ask, (2, -1, 3)), return_exceptions=True))

    two, wrong, three = asyncio.run(run())
    assert (two, three) == (4, 9)
    assert isinstance(wrong, ValueError)
    assert str(wrong) == "-1 is below 0"


def test_an_error_of_the_work_itself_reaches_everybody_and_the_next_batch_is_answered() -> None:
    def work(batch: Sequence[int]) -> list[int | Exception]:
        if 0 in batch:
            raise MemoryError("too much")
        return square(batch)

    async def run() -> None:
        batcher = Batcher(work)
        with pytest.raises(MemoryError, match="too much"):
            await batcher.ask(0)
        assert await batcher.ask(3) == 9

    asyncio.run(run())


def test_nobody_works_for_whoever_has_gone() -> None:
    done = list[int]()
    started, go = threading.Event(), threading.Event()

    def work(batch: Sequence[int]) -> list[int | Exception]:
        started.set()
        go.wait(10)
        done.extend(batch)
        return square(batch)

    async def run() -> None:
        batcher = Batcher(work)
        first, gone, last = batcher.ask(1), batcher.ask(2), batcher.ask(3)
        gone.cancel()
        go.set()
        assert await first == 1
        assert await last == 9

    asyncio.run(run())
    assert done == [1, 3]


def test_too_many_waiting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MOST_WAITING", 2)
    go = threading.Event()

    def work(batch: Sequence[int]) -> list[int | Exception]:
        go.wait(10)
        return square(batch)

    async def run() -> None:
        batcher = Batcher(work)
        taken = [batcher.ask(n) for n in range(3)]  # one at work, two waiting
        with pytest.raises(BusyError, match="2 requests are waiting already: ask again in a second"):
            batcher.ask(4)
        go.set()
        assert await asyncio.gather(*taken) == [0, 1, 4]

    asyncio.run(run())
