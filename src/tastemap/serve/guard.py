"""Stands before the application: who may ask, how much, how long; counts and logs what was answered."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import orjson

from tastemap.serve.errors import RefusedError, describe_error
from tastemap.serve.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# Bytes of a body, of one of events, and of a path with its query.
MOST_BODY, MOST_EVENTS_BODY, LONGEST_PATH = 1 << 20, 8 << 20, 16 << 10

# Seconds that a body may take to come, and an answer to be made.
BODY_SECONDS, ANSWER_SECONDS = 10.0, 30.0

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Who listens on these can be called by every address of the machine.
ANY_ADDRESS = frozenset({"0.0.0.0", "::"})

# The paths that metrics and logs name; others are named after their first part, or not at all.
PATHS = frozenset(
    {
        *("/recommend", "/recommend/batch", "/similar/items", "/similar/items/batch", "/similar/users", "/predict"),
        *("/explain", "/search", "/models", "/health/live", "/health/ready", "/metrics", "/events", "/reload"),
        *("/openapi.json", "/docs"),
    }
)
PARTS = {
    "items": "/items/{item}",
    "users": "/users/{user}",
    "models": "/models/{name}",
    "docs": "/docs/{name}",
    "explore": "/explore/{page}",
}

# Pages for people, who cannot send a header: they show the token once, in the address, and then have a cookie.
PAGES = "/explore"
COOKIE = "tastemap"

# Code that WebSockets close with where a request would be refused.
POLICY_VIOLATION = 1008

logger = logging.getLogger("tastemap.requests")


class Guard:
    """Lets through what may be asked, and answers everything else with one sentence.

    token : what requests have to show as `Authorization: Bearer TOKEN`, except those about health; None asks for none.
        Whoever opens a page with ?token=TOKEN gets a cookie that does as well
    hosts : the names by which the server may be called: another name in a request comes from a page that had its own
        name point here. Names of the loopback are always among them; "*" is all, "0.0.0.0" all that are addresses
    """

    def __init__(self, app: Application, metrics: Metrics, *, token: str | None, hosts: Iterable[str] = ()) -> None:
        self._app, self._metrics = app, metrics
        self._token = None if token is None else b"Bearer " + token.encode()
        self._cookie = "" if token is None else hashlib.blake2b(token.encode(), person=b"tastemap cookie").hexdigest()
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        self._takes_addresses = not self._hosts.isdisjoint(ANY_ADDRESS)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await self._connect(scope, receive, send)
        if scope["type"] != "http":
            return None
        started, status = time.perf_counter(), 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._shows_token(scope):
                return await self._give_cookie(scope, tell)
            self.check(scope)
            async with asyncio.timeout(ANSWER_SECONDS + BODY_SECONDS):
                if scope["method"] in ("POST", "PUT", "PATCH", "DELETE"):
                    most = MOST_EVENTS_BODY if scope["path"] == "/events" else MOST_BODY
                    receive = _give(await read_body(scope, receive, most), receive)
                await self._app(scope, receive, tell)
        except Exception as error:
            if not status:
                if isinstance(error, TimeoutError):
                    error = RefusedError(503, f"the answer took longer than {ANSWER_SECONDS:g} s: ask for less")
                code, told = describe_error(error)
                if _is_page(scope):
                    sentence = told["error"]["message"].encode()
                    await _send(tell, code, sentence, [(b"content-type", b"text/plain; charset=utf-8")])
                else:
                    await send_json(tell, code, orjson.dumps(told), HEADERS.get(code, ()))
            elif not isinstance(error, OSError):  # the client has gone
                describe_error(error)
        seconds = time.perf_counter() - started
        route = name_route(scope["path"])
        self._metrics.observe_request(route, status, seconds)
        if status >= 500 or logger.isEnabledFor(logging.INFO):
            level = logging.ERROR if status >= 500 else logging.INFO
            facts = {"method": scope["method"], "route": route, "status": status, "ms": round(1000 * seconds, 2)}
            logger.log(level, "%(method)s %(route)s %(status)d %(ms).2f ms", facts, extra={"facts": facts})
        return None

    def check(self, scope: Message) -> None:
        """Raise RefusedError for a request that may not be asked."""
        host = origin = token = site = cookies = mode = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                token = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
            elif name == b"cookie":
                cookies = value
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_PATH:
            raise RefusedError(414, f"the path and the query are longer than {LONGEST_PATH:,} bytes: POST takes more")
        if scope["path"].startswith("/health/"):
            return
        if not self._may_be_called(_take_name(host)):
            raise RefusedError(403, "the server is not called by this name: start it with --allow-host to allow it")
        is_foreign = origin and origin.partition(b"://")[2].lower() != host.lower()
        follows_link = _is_page(scope) and mode == b"navigate" and scope.get("method") == "GET"
        if is_foreign or (site in (b"cross-site", b"same-site") and not follows_link):
            raise RefusedError(403, "pages of other origins may not ask this server")
        if self._token is None or hmac.compare_digest(token, self._token):
            return
        if not hmac.compare_digest(_read_cookie(cookies).encode(), self._cookie.encode()):
            if _is_page(scope):
                raise RefusedError(401, "this page needs the server's token: open it as /explore/?token=TOKEN")
            raise RefusedError(401, "this needs the header Authorization: Bearer with the server's token")

    async def _connect(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a WebSocket through, or close it."""
        try:
            self.check(scope)
        except RefusedError as error:
            await receive()
            return await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": str(error)[:100]})
        await self._app(scope, receive, send)

    def _shows_token(self, scope: Message) -> bool:
        """Tell whether the address of a page has the token."""
        if self._token is None or not _is_page(scope) or b"token=" not in scope["query_string"]:
            return False
        shown = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token", "")
        return hmac.compare_digest(b"Bearer " + shown.encode(), self._token)

    async def _give_cookie(self, scope: Message, send: Send) -> None:
        """Send the browser to the same page without the token, which it need not show again."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in pairs if name != "token"])
        place = quote(scope["path"]) + ("?" + rest if rest else "")
        cookie = f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Lax"
        headers = [(b"location", place.encode()), (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        await _send(send, 303, b"", headers)

    def _may_be_called(self, name: str) -> bool:
        return name in self._hosts or "*" in self._hosts or (self._takes_addresses and _is_address(name))


HEADERS = {401: [(b"www-authenticate", b"Bearer")], 429: [(b"retry-after", b"1")], 503: [(b"retry-after", b"1")]}


def name_route(path: str) -> str:
    """Return the route of a path, of which there are few."""
    if path in PATHS:
        return path
    return PARTS.get(path.split("/", 2)[1] if path.count("/") > 1 else "", "other")


async def read_body(scope: Message, receive: Receive, most: int) -> bytes:
    """Return the whole body of a request; raises RefusedError for one that is too large, or does not come."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    too_large = RefusedError(413, f"the body is larger than {most:,} bytes")
    if not length.isdigit():
        raise RefusedError(400, "the length of the body must be a number")
    if len(length) > 18 or int(length) > most:
        raise too_large
    parts, size = list[bytes](), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(408, "the connection ended before the body did")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise RefusedError(408, f"the body did not come within {BODY_SECONDS:g} s") from None


async def send_json(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer with JSON."""
    await _send(send, status, body, [(b"content-type", b"application/json"), *headers])


async def _send(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    own = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})


def _is_page(scope: Message) -> bool:
    path: str = scope["path"]
    return path == PAGES or path.startswith(PAGES + "/")


def _read_cookie(header: bytes) -> str:
    """Return the value of the guard's cookie, "" without one."""
    try:
        found = SimpleCookie(header.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _give(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what comes after it."""
    given = False

    async def take() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return take


def _take_name(host: bytes) -> str:
    """Return the name in a Host header, without its port."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
