"""Sends bad requests to a server: each gets the right status and one sentence, and the server answers the next.

    python tests/serve/bad_requests.py --count 10000 --seed 0

A kind of bad request is a function that makes one by chance, with the statuses that are right for it. Requests are
written to sockets as bytes, because a client library would refuse to send most of them.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from running import Answer, Server, read_answer, running

MEGABYTE = 1_000_000
# The most seconds from the last byte of a client to the answer.
LONGEST_WAIT = 40.0
LONGEST_SENTENCE, LONGEST_ANSWER = 1_500, 10_000
# Of these the server closes the connection, with or without an answer.
CLOSED = 0
# The server's own parser refuses what is no HTTP, in plain text.
NO_HTTP = frozenset({400, CLOSED})
SLOW_IN_ALL = 24


class Bad(NamedTuple):
    """A bad request.

    pieces : what is sent, one after the other; a number is a pause in seconds
    statuses : for each answer those that are right, CLOSED where none may come
    ends : whether the client says that nothing more comes, as one does that was cut off
    method : what the first answer is to
    """

    pieces: Sequence[bytes | float]
    statuses: Sequence[frozenset[int]]
    ends: bool = False
    method: str = "GET"


@dataclass(frozen=True)
class Maker:
    """Makes requests by chance, for a server at a port, with its token."""

    random: random.Random
    server: Server

    def one_of(self, values: Sequence[Any]) -> Any:
        """Return one of some values."""
        return self.random.choice(values)

    def text(self) -> str:
        """Return a short text, of any characters that UTF-8 has."""
        kinds = ("abcxyz", "\u00e9\u0142\u00df", "\u65e5\u672c", "\U0001f600", "'\";<>%&=|", "\u202e\u0000\x1b", "../")
        return "".join(self.one_of(self.one_of(kinds)) for _ in range(self.random.randint(1, 20)))

    def write(
        self, method: str, target: str, body: bytes | None = None, /, *, close: bool = True, **headers: str | None
    ) -> bytes:
        """Return the bytes of a request; a header of None is left out, and names have _ for -."""
        own: dict[str, str | None] = {name.lower(): value for name, value in self.server.headers.items()}
        if close:
            own["connection"] = "close"
        if body is not None:
            own |= {"content-type": "application/json", "content-length": str(len(body))}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [
            f"{method} {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in own.items() if value is not None),
        ]
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")

    def get(self, path: str, *statuses: int, **query: Any) -> Bad:
        """Return a GET that is to get one of the statuses."""
        return Bad(
            [self.write("GET", path + ("?" + urlencode(query, doseq=True) if query else ""))], [frozenset(statuses)]
        )

    def post(self, path: str, body: Any, *statuses: int, **headers: str | None) -> Bad:
        """Return a POST, of bytes as they are and of anything else as JSON, that is to get one of the statuses."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Bad([self.write("POST", path, content, **headers)], [frozenset(statuses)])


Kind = Callable[[Maker], Bad]
KINDS: dict[str, Kind] = {}
SLOW_KINDS: dict[str, Kind] = {}


def bad(make: Kind) -> Kind:
    """Register a kind of bad request."""
    KINDS[make.__name__] = make
    return make


def slow(make: Kind) -> Kind:
    """Register a kind of bad request that takes seconds: few of these are sent, beside the others."""
    SLOW_KINDS[make.__name__] = make
    return make


# -- ids and values ---------------------------------------------------------------------------------------------------

UNKNOWN = (
    "0", "-1", "99999999", "1e3", "4.0", "nobody", "four", str(2**70), "\u0664", "4 OR 1=1", "None", "null", "NaN",
)  # fmt: skip
WRONG_IDS = ({}, [], 1.5, True, [4], {"id": 4}, 2.0**80)
WRONG_NUMBERS = ("ten", [], {}, 1.5, None, "", "1e400", "0x10", [1])
WRONG_LISTS = ("4", 7, {"a": 1}, [None], [[4]], [1.5], [{}], [True])
CONDITIONS = (
    "genre", "=", "genre=", "=Drama", "colour=red", "genre=Dramma", "year>=soon", "year>", "genre>>Drama", "year=",
    "__import__('os').system('true')", "genre=Drama; drop table items", "title", "genre<>Drama", "yaer>=1990", "&&",
)  # fmt: skip
WRONG_LIMITS = ("genre", ":", "genre:", "genre:two", "genre:0", "genre:-1", ":2", "colour:2", "genre:1.5")
# By route: what is right of it, and for each field values that are wrong.
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Sequence[Any]]]] = {}
PLACES = {"k": (*WRONG_NUMBERS, -1, 0, 1001, 10**9, -(10**30), 1e300), "offset": (*WRONG_NUMBERS, -1, 10_000, 10**9)}
AMONG = {
    "exclude": WRONG_LISTS,
    "candidates": WRONG_LISTS,
    "where": (7, 1.5, True, [7], [None], [{}], *([text] for text in CONDITIONS), {"colour": "red"}, {"genre": {}}),
    "model": (1, [], {}, True),
}
FIELDS["/recommend"] = (
    {"user": 4},
    PLACES
    | AMONG
    | {
        "user": WRONG_IDS,
        "history": ("260", 7, True, [None], [[1]], {"260": "much"}, {"260": []}, {"260": {}}, [1.5]),
        "seen": ("perhaps", 2, [], {}, None),
        "diversity": (-0.1, 1.1, "much", [], {}, None, 1e300),
        "at_most": ("genre", 3, ["genre"], {"genre": 0}, {"genre": "two"}, {"colour": 1}, {"genre": []}, {"genre": -1}),
        "on_unknown": ("skip", "guess", "", 1, [], None),
    },
)
FIELDS["/similar/items"] = (
    {"item": 260},
    PLACES | AMONG | {"item": WRONG_IDS, "metric": ("manhattan", 1, [], None), "min_pairs": (*WRONG_NUMBERS, -1)},
)
FIELDS["/similar/users"] = ({"user": 4}, PLACES | {"user": WRONG_IDS, "metric": ("manhattan", 1, [])})
FIELDS["/explain"] = ({"user": 4, "item": 260}, {"user": WRONG_IDS, "item": WRONG_IDS, "model": (1, [])})
FIELDS["/predict"] = (
    {"pairs": [[4, 260]]},
    {"pairs": ([], 4, "4", [4, 260], [[4]], [[4, 260, 1]], [[{}, 260]], [[4, 1.5]], {"4": 260}, None)},
)
FIELDS["/events"] = (
    {"user": 4, "item": 260},
    {
        "user": WRONG_IDS,
        "item": WRONG_IDS,
        "weight": ("much", [], {}, 1e300, True),
        "time": ("tomorrow", "2026-13-45", [], {}, 1e300, "yesterday at noon"),
    },
)


@bad
def wrong_values(make: Maker) -> Bad:
    """One field of a body is of a wrong type or out of range."""
    path = make.one_of(list(FIELDS))
    right, fields = FIELDS[path]
    name = make.one_of(list(fields))
    return make.post(path, right | {name: make.one_of(fields[name])}, 422)


@bad
def wrong_values_in_a_query(make: Maker) -> Bad:
    """One value of a query is none of the kind that is asked for, or out of range."""
    name, value = make.one_of(
        [(name, make.one_of(values)) for name, values in (
            ("k", ("-1", "0", "1001", "1000000000", "ten", "1.5", "", "NaN", "inf", "9" * 400, "1;2", "\u0661\u0660x")),
            ("offset", ("-1", "10000", "ten", "1e3", "9" * 30)),
            ("diversity", ("-.1", "1.1", "NaN", "inf", "-inf", "much", "1e400", "")),
            ("seen", ("perhaps", "2", "")),
            ("where", CONDITIONS),
            ("at_most", WRONG_LIMITS),
            ("on_unknown", ("skip", "guess", "")),
        )]
    )  # fmt: skip
    return make.get("/recommend", 422, user=4, **{name: value})


@bad
def too_deep(make: Maker) -> Bad:
    """Places beyond those that are ranked."""
    return make.get(make.one_of(["/recommend?user=4", "/similar/items?item=260"]) + "&offset=9999&k=1000", 422)


@bad
def unknown_users(make: Maker) -> Bad:
    """A user whom the model does not know."""
    user = make.one_of(UNKNOWN)
    return make.one_of(
        [
            make.get("/recommend", 404, user=user),
            make.get("/similar/users", 404, user=user),
            make.get("/predict", 404, user=user, item=260),
            make.get("/explain", 404, user=user, item=260),
            make.get(f"/users/{quote(user, safe='')}", 404),
            make.post("/recommend", {"user": user}, 404),
            make.post("/recommend", {"user": 10**9}, 404),
            make.post("/predict", {"pairs": [[4, 260], [user, 260]]}, 404),
        ]
    )


@bad
def unknown_items(make: Maker) -> Bad:
    """An item that the model does not know."""
    item = make.one_of(UNKNOWN)
    return make.one_of(
        [
            make.get("/similar/items", 404, item=item),
            make.get("/predict", 404, user=4, item=item),
            make.get("/explain", 404, user=4, item=item),
            make.get(f"/items/{quote(item, safe='')}", 404),
            make.post("/similar/items", {"item": item}, 404),
            make.post("/predict", {"pairs": [[4, item]]}, 404),
        ]
    )


@bad
def odd_ids(make: Maker) -> Bad:
    """A user of any characters."""
    text = make.text() + "?"
    return make.one_of([make.get("/recommend", 404, user=text), make.post("/recommend", {"user": text}, 404)])


@bad
def unknown_models(make: Maker) -> Bad:
    """A model that is not served."""
    name = make.one_of(["alt", "ALS", "", "../als", "als.safetensors", "/etc/passwd", make.text()])
    return make.one_of(
        [
            make.get("/recommend", 404, user=4, model=name),
            make.post("/similar/items", {"item": 260, "model": name}, 404),
            make.post("/reload", {"model": name}, 404),
            make.get(f"/models/{quote(name or 'none', safe='')}", 404),
        ]
    )


@bad
def unknown_fields(make: Maker) -> Bad:
    """A field that no request has."""
    name = make.one_of(["K", "n", "limit", "users", "exclude_seen", "__class__", "\u00e9", "filter", make.text() + "x"])
    path = make.one_of(list(FIELDS))
    if path == "/events" or make.random.random() < 0.5:
        return make.get("/recommend", 422, user=4, **{name: 1})
    return make.post(path, FIELDS[path][0] | {name: 1}, 422)


@bad
def repeated_fields(make: Maker) -> Bad:
    """A query that gives two values where one is meant."""
    return make.get(
        "/recommend", 422, **({"user": 4} | make.one_of([{"k": [1, 2]}, {"user": [4, 5]}, {"diversity": [0, 1]}]))
    )


@bad
def missing_fields(make: Maker) -> Bad:
    """Nothing says what is asked."""
    path = make.one_of(["/recommend", "/similar/items", "/similar/users", "/predict", "/explain", "/search", "/events"])
    if path in ("/search",) or (path != "/events" and make.random.random() < 0.5):
        return make.get(path, 422, **make.one_of([{}, {"model": "als"}]))
    return make.post(path, {}, 422)


@bad
def searches(make: Maker) -> Bad:
    """A search for nothing, for too much, or for a text without an end."""
    return make.get(
        "/search", 422, **make.one_of([{"q": ""}, {"q": "star", "k": -1}, {"q": "s" * 5_000}, {"q": "a", "k": "x"}])
    )


# -- sizes ------------------------------------------------------------------------------------------------------------


@bad
def too_many(make: Maker) -> Bad:
    """More items, requests or pairs than one request may have."""
    many = make.random.randint(10_001, 20_000)
    return make.one_of(
        [
            make.post("/recommend", {"history": [1] * many}, 422),
            make.post("/recommend", {"history": {str(number): 1 for number in range(many)}}, 422),
            make.post("/recommend", {"user": 4, "exclude": list(range(many))}, 422),
            make.post("/recommend", {"user": 4, "candidates": list(range(many))}, 422),
            make.post("/recommend", {"user": 4, "where": ["genre=Drama"] * many}, 422),
            make.post("/recommend/batch", {"requests": [{"user": 4}] * 1_001}, 422),
            make.post("/similar/items/batch", {"requests": [{"item": 260}] * 1_001}, 422),
            make.post("/predict", {"pairs": [[4, 260]] * many}, 422),
        ]
    )


@bad
def too_large(make: Maker) -> Bad:
    """A body of 10 MB, announced or not."""
    path = make.one_of(["/recommend", "/events", "/recommend/batch", "/reload", "/predict"])
    start = b'{"user": 4, "exclude": ["'
    body = start + b"a" * (10 * MEGABYTE - len(start))
    if make.random.random() < 0.5:
        return make.post(path, body, 413)
    size = 1 << 16
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _cut(body, size)) + b"0\r\n\r\n"
    return Bad(
        [make.write("POST", path, None, transfer_encoding="chunked") + chunks], [frozenset({413})], method="POST"
    )


@bad
def too_large_and_asks_first(make: Maker) -> Bad:
    """A body of 10 MB whose client waits to be told to send it."""
    head = make.write("POST", "/recommend", None, content_length=str(10 * MEGABYTE), expect="100-continue")
    return Bad([head], [frozenset({413})], method="POST")


@bad
def long_targets(make: Maker) -> Bad:
    """A path or a query of 20 KB and more."""
    text = "a" * make.random.choice([20_000, 70_000, 200_000])
    target = make.one_of([f"/{text}", f"/recommend?user={text}", f"/recommend?{text}", f"/items/{text}"])
    return Bad([make.write("GET", target)], [frozenset({400, 404, 414, 422, 431, CLOSED})])


@bad
def floods_of_headers(make: Maker) -> Bad:
    """A header of 200 KB, or thousands of them."""
    many = make.one_of([{"x-long": "a" * 200_000}, {f"x-{number}": "a" * 30 for number in range(5_000)}])
    return Bad([make.write("GET", "/recommend?user=4", **many)], [frozenset({400, 413, 431, CLOSED})])


def _cut(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


# -- bodies -----------------------------------------------------------------------------------------------------------

NO_JSON = (
    b"", b"{", b"}", b'{"user": 4', b'{"user": 4,}', b"{'user': 4}", b'{"user": NaN}', b'{"k": Infinity, "user": 4}',
    b"user=4&k=10", b"\x00", b"\xff\xfe{}", b'{"user": "\xff"}', b'{"user": "\\ud800"}', b'{"user": "\n"}', b"nul",
    b"4 5", b'{"user": 04}', b'{"user": +4}', b'{"user": 4} {}', b"<user>4</user>", b"\x1f\x8b\x08\x00", b"[" * 100_000,
    b'{"a":' * 100_000, b"\xef\xbb\xbf{}", b'{"user": .5}', b'{"user": "a\\x"}', b"// 4\n{}",
)  # fmt: skip
NO_OBJECT = (b"[]", b"4", b'"4"', b"null", b"true", b"[[4]]", b"1e999", b"-0")


@bad
def no_json(make: Maker) -> Bad:
    """A body that is no JSON."""
    path = make.one_of([*FIELDS, "/recommend/batch", "/similar/items/batch", "/reload"])
    body = make.one_of(NO_JSON)
    # An empty body of /reload asks for all models.
    return make.post(path, body if body or path != "/reload" else b"{", 400)


@bad
def no_object(make: Maker) -> Bad:
    """A body of JSON that is no object."""
    return make.post(make.one_of([*FIELDS, "/recommend/batch", "/reload"]), make.one_of(NO_OBJECT), 400, 422)


@bad
def deep_json(make: Maker) -> Bad:
    """A value that lies in a hundred others."""
    value: Any = 4
    for _ in range(make.random.randint(20, 200)):
        value = make.one_of([[value], {"a": value}])
    path = make.one_of(list(FIELDS))
    name = make.one_of(list(FIELDS[path][1]))
    return make.post(path, FIELDS[path][0] | {name: value}, 422)


@bad
def batches(make: Maker) -> Bad:
    """A batch that is none."""
    path = make.one_of(["/recommend/batch", "/similar/items/batch"])
    body = make.one_of([{}, {"requests": 4}, {"requests": []}, {"requests": None}, {"requests": {}}, {"users": [4]}])
    return make.post(path, body, 422)


@bad
def no_events(make: Maker) -> Bad:
    """Events of which one is wrong: none of them is kept."""
    right, fields = FIELDS["/events"]
    name = make.one_of(list(fields))
    wrong = right | {name: make.one_of(fields[name])}
    events = make.one_of([4, [], [4], [None], [right, wrong], [wrong, right], [{}], [right, {"user": 4}], {"user": 4}])
    return make.post("/events", {"events": events}, 422)


@bad
def other_content(make: Maker) -> Bad:
    """A body that says of itself that it is no JSON, and is none."""
    kind, body = make.one_of(
        [
            ("application/x-www-form-urlencoded", b"user=4&k=10"),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="user"\r\n\r\n4\r\n--x--',
            ),
            ("text/xml", b"<user>4</user>"),
            ("application/octet-stream", bytes(make.random.randbytes(50)) + b"\xff"),
        ]
    )
    path = make.one_of(["/recommend", "/events", "/predict"])
    return make.post(path, body, 400, 415, content_type=kind)


@bad
def packed_bodies(make: Maker) -> Bad:
    """A body that is compressed, which nobody offered to unpack."""
    return make.post("/recommend", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 400, 415, content_encoding="gzip")


# -- who asks ---------------------------------------------------------------------------------------------------------

GUARDED = (
    "/recommend?user=4",
    "/models",
    "/metrics",
    "/search?q=star",
    "/openapi.json",
    "/docs",
    "/items/260",
    "/nothing",
)


@bad
def wrong_tokens(make: Maker) -> Bad:
    """No token, or another one."""
    token = make.server.token or ""
    header = make.one_of(
        [None, "", "Bearer", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Basic {token}", token,
         f"Bearer {token.upper()}", "Bearer " + "a" * 5_000, "Bearer \u00e9", f"Token {token}",
         f"Bearer {token} {token}"]
    )  # fmt: skip
    if make.random.random() < 0.3:
        path = make.one_of(["/reload", "/events"])
        return Bad([make.write("POST", path, b'{"user": 4, "item": 260}', authorization=header)], [frozenset({401})])
    return Bad([make.write("GET", make.one_of(GUARDED), authorization=header)], [frozenset({401})])


@bad
def tokens_in_the_query(make: Maker) -> Bad:
    """A token that stands where logs and histories of browsers keep it."""
    return Bad(
        [make.write("GET", f"/recommend?user=4&token={quote(make.server.token or '')}", authorization=None)],
        [frozenset({401})],
    )


HOSTS = (
    "evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "a" * 300, "169.254.169.254",
    "127.0.0.1@evil.example", "[::2]", "\u00e9vil", "127.0.0.1 evil",
)  # fmt: skip


@bad
def foreign_hosts(make: Maker) -> Bad:
    """A name that another page has given the loopback."""
    host = make.one_of(HOSTS)
    return Bad([make.write(*_any_request(make), host=host)], [frozenset({400, 403})])


@bad
def foreign_pages(make: Maker) -> Bad:
    """A page of another site asks through its reader's browser."""
    headers = make.one_of(
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": f"http://127.0.0.1:{make.server.port + 1}"},
            {"origin": f"http://127.0.0.1:{make.server.port}.evil.example"},
            {"sec_fetch_site": "cross-site"},
            {"origin": "http://evil.example", "sec_fetch_site": "same-origin"},
        ]
    )
    return Bad([make.write(*_any_request(make), **headers)], [frozenset({403})])


def _any_request(make: Maker) -> tuple[str, str, bytes | None]:
    return make.one_of(
        [
            ("GET", "/recommend?user=4", None),
            ("POST", "/recommend", b'{"user": 4}'),
            ("POST", "/events", b'{"user": 4, "item": 260}'),
            ("POST", "/reload", b"{}"),
            ("GET", "/metrics", None),
        ]
    )


# -- paths and methods ------------------------------------------------------------------------------------------------

TRICKS = (
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd",
    "/items/../../etc/passwd", "/items/..%2f..%2fetc%2fpasswd", "/models/..%2ftoken", "/models/%2e%2e%2ftoken",
    "/docs/../../token", "/static/../token", "/docs/%2e%2e/token", "/items/%00", "/items/a%00b", "/recommend%00",
    "/recommend/", "//recommend?user=4", "/./recommend", "/recommend;x=1?user=4", "/RECOMMEND?user=4",
    "/%72ecommend/x", "/items/", "/users/", "/models/a/b", "/nothing", "/.git/config", "/.env", "/token",
    "/films.csv", "/als.safetensors", "/events/1", "/items/%ff", "/items/%zz", "/%", "/static/..%5c..%5ctoken",
    "/items/file:%2f%2f%2fetc%2fpasswd", "/items/~root", "/\\..\\token", "/index.php?s=/../",
)  # fmt: skip


@bad
def tricks_of_paths(make: Maker) -> Bad:
    """A path that looks for files, or is none of the routes."""
    return Bad([make.write("GET", make.one_of(TRICKS))], [frozenset({400, 404})])


@bad
def wrong_methods(make: Maker) -> Bad:
    """A method that the route does not have."""
    method, path = make.one_of(
        [
            (
                make.one_of(["DELETE", "PUT", "PATCH", "TRACE"]),
                make.one_of([*FIELDS, "/models", "/health/live", "/metrics"]),
            ),
            ("GET", make.one_of(["/recommend/batch", "/similar/items/batch", "/events", "/reload"])),
            ("POST", make.one_of(["/search", "/models", "/items/260", "/users/4", "/metrics", "/health/ready"])),
        ]
    )
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    return Bad([make.write(method, path, body)], [frozenset({405})], method=method)


@bad
def unheard_methods(make: Maker) -> Bad:
    """A word that no method is."""
    method = make.one_of(["BREW", "get", "G\u00cbT", "", "GET GET", "CONNECT", "A" * 1_000, "PRI", "\x00"])
    return Bad([make.write(method, "/recommend?user=4")], [frozenset({400, 404, 405, CLOSED})], method=method)


QUERIES = (
    "%ff", "user=%ff", "user=%", "user=%zz", "&&&", "user", "=4", "user=4&=;", "user[]=4", "user=4;k=1", "?user=4",
    "user=%00", "user=4&k=%00", "&".join(f"a{n}=1" for n in range(3_000)),
)  # fmt: skip


@bad
def odd_queries(make: Maker) -> Bad:
    """A query that is no text, or has nothing in it that is asked for."""
    query = make.one_of(QUERIES)
    return Bad([make.write("GET", f"/recommend?{query}")], [frozenset({400, 404, 414, 422, 431})])


# -- what is no HTTP --------------------------------------------------------------------------------------------------


@bad
def no_http(make: Maker) -> Bad:
    """Bytes that are no request."""
    host = make.server.headers["Host"]
    raw = make.one_of(
        [
            make.random.randbytes(make.random.randint(1, 500)) + b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + make.random.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /recommend?user=4\r\n\r\n",
            f"GET /recommend?user=4 HTTP/9.9\r\nHost: {host}\r\n\r\n".encode(),
            f"GET /recommend?user=4 HTTP/1.1\r\nHost : {host}\r\n\r\n".encode(),
            f"GET /recommend?user=4 HTTP/1.1\r\nHost: {host}\r\nno colon\r\n\r\n".encode(),
            f"GET /recommend?user=4 HTTP/1.1\r\nHost: {host}\r\nx: a\x00b\r\n\r\n".encode(),
            b"HELO mail.example\r\n",
            b"\r\n\r\n\r\n\x00",
            b"SSH-2.0-OpenSSH_9.9\r\n",
        ]
    )
    return Bad([raw], [NO_HTTP | {401, 403, 404}], ends=True)


@bad
def lengths_that_lie(make: Maker) -> Bad:
    """Lengths by which two servers could see different requests in the same bytes."""
    body = b'{"user": 4}'
    head = make.one_of(
        [
            {"content_length": "-1"},
            {"content_length": "ten"},
            {"content_length": "11, 12"},
            {"content_length": "11", "transfer_encoding": "chunked"},
            {"content_length": None, "transfer_encoding": "chunked, identity"},
            {"content_length": "9" * 30},
            {"content_length": "0x0b"},
        ]
    )
    return Bad([make.write("POST", "/recommend", body, **head)], [NO_HTTP | {413}], ends=True, method="POST")


@bad
def wrong_chunks(make: Maker) -> Bad:
    """Chunks whose lengths are none."""
    chunks = make.one_of([b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n", b"2\r\n{}xx\r\n0\r\n\r\n", b"f" * 20 + b"\r\n{}"])
    head = make.write("POST", "/recommend", None, transfer_encoding="chunked")
    return Bad([head + chunks], [NO_HTTP | {408, 413}], ends=True, method="POST")


@bad
def two_hosts(make: Maker) -> Bad:
    """No host, or a second one."""
    one = make.write("GET", "/recommend?user=4", host=make.one_of([None, "evil.example"]))
    return Bad([one.replace(b"\r\n\r\n", b"\r\nhost: evil.example\r\n\r\n")], [frozenset({400, 403})])


@bad
def other_protocols(make: Maker) -> Bad:
    """An upgrade to what is not spoken here."""
    kind = make.one_of(["websocket", "h2c", "TLS/1.0"])
    more = (
        {"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==", "sec_websocket_version": "13"} if kind == "websocket" else {}
    )
    return Bad(
        [make.write("GET", "/nothing", connection="Upgrade", upgrade=kind, **more)],
        [frozenset({400, 403, 404, 426, CLOSED})],
        ends=True,
    )


@bad
def many_on_one_connection(make: Maker) -> Bad:
    """Requests that do not wait for answers, bad ones and a good one at the end."""
    wrong = [("/recommend?user=nobody", 404), ("/nothing", 404), ("/recommend?user=4&k=-1", 422), ("/recommend", 422)]
    asked = [make.one_of(wrong) for _ in range(make.random.randint(1, 8))]
    raw = b"".join(make.write("GET", path, close=False) for path, _ in asked) + make.write("GET", "/recommend?user=4")
    return Bad([raw], [*(frozenset({status}) for _, status in asked), frozenset({200})])


@bad
def old_http(make: Maker) -> Bad:
    """HTTP/1.0, which closes after the answer."""
    raw = make.write("GET", "/recommend?user=nobody").replace(b"HTTP/1.1", b"HTTP/1.0")
    return Bad([raw], [frozenset({404})])


@bad
def cut_off(make: Maker) -> Bad:
    """A client that is gone in the middle of its request."""
    whole = make.write("POST", "/recommend", json.dumps({"user": 4, "exclude": list(range(200))}).encode())
    return Bad([whole[: make.random.randint(1, len(whole) - 1)]], [NO_HTTP | {408}], ends=True, method="POST")


@bad
def damaged(make: Maker) -> Bad:
    """A good request with some bytes changed: what comes of it is anything but a failure of the server."""
    right = make.one_of(
        [
            make.write("GET", "/recommend?user=4&k=10&where=genre=Drama&at_most=genre:2&diversity=.3&exclude=12"),
            make.write(
                "POST", "/recommend", b'{"user": 4, "history": {"260": 1, "1": 2}, "where": ["year>=1990"], "k": 3}'
            ),
            make.write("POST", "/similar/items", b'{"item": 260, "k": 5, "exclude": [1, 12]}'),
            make.write("GET", "/search?q=star%20wars&k=3"),
            make.write("POST", "/predict", b'{"pairs": [[4, 260], [4, 1]]}'),
        ]
    )
    raw = bytearray(right)
    for _ in range(make.random.randint(1, 4)):
        place = make.random.randrange(len(raw))
        if make.random.random() < 0.3:
            del raw[place]
        else:
            raw[place] = make.random.randrange(256)
    return Bad([bytes(raw)], [frozenset({CLOSED, *range(200, 500)})], ends=True)


# -- slow clients -----------------------------------------------------------------------------------------------------


@slow
def half_a_body(make: Maker) -> Bad:
    """A client that sends half of its body and stays."""
    whole = make.write("POST", make.one_of(["/recommend", "/events", "/predict"]), b'{"user": 4, "item": 260}')
    return Bad([whole[: -make.random.randint(1, 20)]], [frozenset({408})], method="POST")


@slow
def half_a_head(make: Maker) -> Bad:
    """A client that sends some headers and stays."""
    whole = make.write("GET", "/recommend?user=4")
    return Bad([whole[: make.random.randint(1, len(whole) - 4)]], [NO_HTTP | {408}])


@slow
def nothing_at_all(make: Maker) -> Bad:
    """A client that connects and says nothing."""
    return Bad([], [NO_HTTP | {408}])


@slow
def drops_of_a_head(make: Maker) -> Bad:
    """A client that sends a header a second, so that none of its pauses is long."""
    drops = [piece for number in range(40) for piece in (f"x-{number}: a\r\n".encode(), 1.0)]
    return Bad([make.write("GET", "/recommend?user=4")[:-2], *drops], [NO_HTTP | {408}])


@slow
def drops_of_a_body(make: Maker) -> Bad:
    """A client that sends a byte of its body a second."""
    whole = make.write("POST", "/recommend", b'{"user": 4, "exclude": [' + b" " * 100 + b"]}")
    drops = [piece for byte in whole[-60:-10] for piece in (bytes([byte]), 1.0)]
    return Bad([whole[:-60], *drops], [frozenset({408})], method="POST")


# -- sending and checking ---------------------------------------------------------------------------------------------


def send(server: Server, request: Bad) -> list[Answer]:
    """Send a request and return the answers; one of the status CLOSED stands for a connection that ends without."""
    answers: list[Answer] = []
    with server.connect(LONGEST_WAIT) as connection, connection.makefile("rb") as stream:
        with suppress(ConnectionError):  # the server may answer and close before all is sent
            for piece in request.pieces:
                if isinstance(piece, float):
                    connection.settimeout(piece)
                    if _has_answer(connection):
                        break
                    connection.settimeout(LONGEST_WAIT)
                else:
                    connection.sendall(piece)
            if request.ends:
                connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LONGEST_WAIT)
        for _ in request.statuses:
            try:
                answers.append(read_answer(stream, method=request.method))
            except ConnectionError:
                return [*answers, Answer(CLOSED, {}, b"")]
    return answers


def _has_answer(connection: socket.socket) -> bool:
    """Wait as long as the connection does; return whether an answer, or the end, has come."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    return True


def find_fault(answer: Answer, statuses: frozenset[int]) -> str | None:
    """Return what is wrong with an answer, None where nothing is."""
    if answer.status not in statuses:
        return f"status {answer.status} instead of {sorted(statuses)}: {answer.body[:300]!r}"
    if answer.status == CLOSED or answer.status < 400:
        return None
    if answer.status == 401 and not answer.headers.get("www-authenticate", "").startswith("Bearer"):
        return "401 without WWW-Authenticate: Bearer"
    if len(answer.body) > LONGEST_ANSWER:
        return f"an answer of {len(answer.body):,} bytes"
    if not answer.headers.get("content-type", "").startswith("application/json"):
        no_http = answer.status == 400 and statuses >= {400} and answer.body.count(b"\n") == 0
        return None if no_http else f"no JSON: {answer.headers} {answer.body[:300]!r}"
    try:
        message = answer.json["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return f"no error in {answer.body[:300]!r}"
    if not isinstance(message, str) or not 3 <= len(message) <= LONGEST_SENTENCE or "\n" in message:
        return f"no sentence: {message!r}"
    if any(word in message for word in ("Traceback", 'File "', ".py", "object at 0x")):
        return f"a sentence for programmers: {message!r}"
    return None


class Found(NamedTuple):
    """What a bad request came to: `fault` is None where all was right."""

    kind: str
    number: int
    fault: str | None
    seconds: float


def try_one(server: Server, right: Answer, kind: str, number: int, seed: int) -> Found:
    """Send the request of a kind, a number and a seed, check its answers, and that the server answers the next."""
    started = time.perf_counter()
    make = Maker(random.Random(f"{seed} {kind} {number}"), server)
    request = (KINDS | SLOW_KINDS)[kind](make)
    fault = None
    try:
        for answer, statuses in zip(send(server, request), request.statuses, strict=False):
            fault = fault or find_fault(answer, statuses)
        after = ask_well(server)
        if (after.status, after.body) != (right.status, right.body):
            fault = fault or f"the next answer is {after.status}: {after.body[:300]!r}"
    except OSError as error:
        fault = f"{type(error).__name__}: {error}"
    if fault is not None:
        fault += f", asked {b''.join(piece for piece in request.pieces if isinstance(piece, bytes))[:400]!r}"
    return Found(kind, number, fault, time.perf_counter() - started)


def ask_well(server: Server) -> Answer:
    """Ask what is right: ten items for user 4."""
    return server.ask("/recommend?user=4")


def try_many(server: Server, count: int, seed: int) -> list[Found]:
    """Send so many bad requests, spread evenly over the kinds, the slow ones beside the others."""
    right = ask_well(server)
    assert right.status == 200, right
    n_slow = min(SLOW_IN_ALL, count)
    with ThreadPoolExecutor(n_slow) as patient, ThreadPoolExecutor(4) as others:
        slow_ones = [
            (list(SLOW_KINDS)[number % len(SLOW_KINDS)], number // len(SLOW_KINDS)) for number in range(n_slow)
        ]
        fast_ones = [(list(KINDS)[number % len(KINDS)], number // len(KINDS)) for number in range(count - n_slow)]
        jobs = [patient.submit(try_one, server, right, *one, seed) for one in slow_ones]
        jobs += [others.submit(try_one, server, right, *one, seed) for one in fast_ones]
        return [job.result() for job in jobs]


def find_traces(server: Server, events: Path) -> list[str]:
    """Return what bad requests left behind: a dead server, tracebacks, its token in the log, events."""
    log = server.log.read_text(errors="replace")
    told = {
        "the server has ended": server.process.poll() is not None,
        "the log has a traceback": "Traceback" in log,
        "the log has the token": server.token is not None and server.token in log,
        "the journal has events": any(path.stat().st_size for path in events.rglob("*") if path.is_file()),
    }
    return [what for what, is_so in told.items() if is_so]


def main() -> None:
    """Print a table; the exit status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="how many bad requests")
    parser.add_argument("--seed", type=int, default=0, help="of what they are made by")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        found = try_many(server, options.count, options.seed)
        traces = find_traces(server, Path(folder) / "events")
        if traces:
            print(server.log.read_text(errors="replace")[-5_000:])
    counts = Counter(one.kind for one in found)
    wrong = [one for one in found if one.fault is not None]
    print(f"{'kind':<26} {'sent':>6} {'wrong':>6} {'seconds':>8}")
    for kind in counts:
        own = [one for one in found if one.kind == kind]
        n_wrong, longest = sum(one.fault is not None for one in own), max(one.seconds for one in own)
        print(f"{kind:<26} {counts[kind]:>6} {n_wrong:>6} {longest:>8.2f}")
    for one in wrong[:50]:
        print(f"{one.kind} {one.number}: {one.fault}")
    for what in traces:
        print(what)
    seconds = time.perf_counter() - started
    print(
        f"{len(found):,} bad requests, {len(wrong)} wrong, seed {options.seed}, {seconds:.0f} s; seconds: the longest"
    )
    sys.exit(bool(wrong or traces))


if __name__ == "__main__":
    main()
