"""uvicorn's HTTP, with a limit on how long and how large the head of a request may be, and JSON for what is no HTTP."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tastemap.serve.errors import make_error
from tastemap.serve.guard import BODY_SECONDS

# Seconds that the head of a request may take to come, and bytes that it may have.
HEAD_SECONDS, MOST_HEAD = 10.0, 64 << 10

# Seconds after which a body that is still coming is cut off: the guard has answered before.
WHOLE_BODY_SECONDS = BODY_SECONDS + 5

# Milliseconds after which the system ends a connection whose client takes none of its answer.
UNREAD_MILLISECONDS = 30_000

# Connections of a process at a time.
MOST_CONNECTIONS = 4_096


class Protocol(HttpToolsProtocol):
    """Closes connections that begin a request and do not go on; everything else is uvicorn's."""

    _timer: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(503, "the server has too many connections: ask again in a second")
        else:
            self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._go_on()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of the head."""
        super().on_message_begin()
        self._size = 0
        self._wait(HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; an error here is answered as what is no HTTP."""
        self._size += len(name) + len(value)
        if self._size > MOST_HEAD:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        self._go_on()
        self._wait(WHOLE_BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no longer: the rest is the application's."""
        self._go_on()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer with a sentence in JSON."""
        self._refuse(400, "this is no HTTP request that can be read")

    def _refuse(self, status: int, sentence: str) -> None:
        self._go_on()
        body = orjson.dumps(make_error(sentence, "RefusedError"))
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
        lines = [first, "content-type: application/json", "connection: close", f"content-length: {len(body)}", "", ""]
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.close()

    def _wait(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self.transport.close)

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
