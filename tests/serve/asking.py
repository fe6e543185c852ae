"""Asks an application without a network: what a server would send it, and what comes back."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


async def ask(app: Any, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Return the status and what the JSON of an answer says; a body that is no bytes is sent as JSON."""
    status, content, _ = await ask_raw(app, method, url, body, headers)
    return status, json.loads(content)


async def ask_raw(
    app: Any, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """Return status, bytes and headers of an answer."""
    parts = urlsplit(url)
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"host": "127.0.0.1:8000", "content-length": str(len(content)), **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    came = asyncio.Queue[dict[str, Any]]()
    came.put_nowait({"type": "http.request", "body": content, "more_body": False})
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, came.get, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), answered
