"""The routes that most requests take, without a framework: /recommend and /similar/items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from tastemap.serve.asked import MOST_REQUESTS, Recommend, SimilarItems, read_list, read_object
from tastemap.serve.batching import Batcher
from tastemap.serve.errors import describe_error
from tastemap.serve.listing import Job
from tastemap.serve.shelf import Shelf
from tastemap.serve.since import Since

ROUTES: dict[str, type[Recommend] | type[SimilarItems]] = {"/recommend": Recommend, "/similar/items": SimilarItems}
BATCH = "/batch"

Body = Callable[[], Awaitable[bytes]]


class Hot:
    """Answers requests for lists: (status, body) of each."""

    def __init__(self, shelf: Shelf, since: Since, batcher: Batcher[Job, bytes]) -> None:
        self._shelf, self._since, self._batcher = shelf, since, batcher

    async def answer(self, path: str, method: str, query: bytes, read: Body) -> tuple[int, bytes] | None:
        """Return the status and the JSON of an answer; None for a path that is not among the hot routes.

        read : returns the body
        """
        kind = ROUTES.get(path)
        if kind is None:
            kind = ROUTES.get(path.removesuffix(BATCH)) if path.endswith(BATCH) else None
            if kind is None or method != "POST":
                return None
            return await self._answer_batch(kind, await read())
        if method not in ("GET", "POST"):
            return None
        try:
            asked = kind.of_query(query) if method == "GET" else kind.of_body(await read())
            return 200, await self.ask(asked)
        except Exception as error:
            status, told = describe_error(error)
            return status, orjson.dumps(told)

    async def _answer_batch(self, kind: type[Recommend] | type[SimilarItems], body: bytes) -> tuple[int, bytes]:
        try:
            futures = [self._try(kind, values) for values in read_list(read_object(body), "requests", MOST_REQUESTS)]
        except Exception as error:
            status, told = describe_error(error)
            return status, orjson.dumps(told)
        answers = await asyncio.gather(*futures, return_exceptions=True)
        return 200, b'{"answers":[' + b",".join(map(_as_json, answers)) + b"]}"

    def _try(self, kind: type[Recommend] | type[SimilarItems], values: Any) -> asyncio.Future[bytes]:
        try:
            return self.ask(kind.of(values))
        except Exception as error:
            failed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def ask(self, asked: Recommend | SimilarItems) -> asyncio.Future[bytes]:
        """Return the future JSON of a list."""
        served = self._shelf.get(asked.model)
        events = self._since.of(asked.user) if isinstance(asked, Recommend) else ()
        return self._batcher.ask(Job(served, asked, events))


def _as_json(answer: bytes | BaseException) -> bytes:
    return answer if isinstance(answer, bytes) else orjson.dumps(describe_error(answer)[1])
