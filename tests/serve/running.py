"""Starts `tastemap serve` in a process of its own, asks it over plain sockets, and ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.client import parse_headers
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

import tastemap as tm

TOKEN = "token-of-a-test"
USERS, ITEMS = 60, 300
GENRES = ("Action", "Comedy", "Drama", "Horror", "Thriller")
LONGEST_START = 60.0


@cache
def films() -> pl.DataFrame:
    """What is known of the items 1 to 300: title, one or two genres, year."""
    numbers = range(1, ITEMS + 1)
    titles = [f"Film {number} ({1950 + number % 60})" for number in numbers]
    titles[259] = "Star Wars: Episode IV - A New Hope (1977)"
    titles[0] = "Toy Story (1995)"
    titles[11] = "Le fabuleux destin d'Amélie Poulain (2001)"
    genres = ["|".join(sorted({GENRES[number % 5], GENRES[number // 5 % 5]})) for number in numbers]
    years = [1950 + number % 60 for number in numbers]
    return pl.DataFrame({"item": numbers, "title": titles, "genre": genres, "year": years})


@cache
def likes() -> tm.Interactions:
    """Who of the users 1 to 60 likes which of the items, about 30 each, and when: a pair a day from 2000 on."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((USERS, ITEMS)) < np.linspace(0.2, 0.02, ITEMS)[rng.permutation(ITEMS)])
    days = np.datetime64("2000-01-01", "us") + np.arange(len(users)) * np.timedelta64(1, "D")
    return tm.Interactions.from_frame({"user": users + 1, "item": items + 1, "time": days}, time="time")


def write_models(folder: Path) -> list[Path]:
    """Write als.safetensors and ease.safetensors and, beside them, films.csv; returns the models' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    films().write_csv(folder / "films.csv")
    paths = []
    for name, model in (("als", tm.ImplicitALS(factors=8, epochs=3)), ("ease", tm.EASE())):
        model.fit(likes(), progress=False).save(path := folder / f"{name}.safetensors")
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def read_answer(stream: BinaryIO, *, method: str = "GET") -> Answer:
    """Read one answer; raises ConnectionError where the connection ends before its end."""
    line = stream.readline(65_536)
    if not line.endswith(b"\n"):
        raise ConnectionError(f"the connection ended after {line!r}")
    status = int(line.split()[1])
    headers = {name.lower(): value for name, value in parse_headers(stream).items()}
    if status == 100:
        return read_answer(stream, method=method)
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status, headers, b"".join(_read_chunks(stream)))
    length = int(headers.get("content-length", -1))
    body = stream.read(length)
    if length >= 0 and len(body) < length:
        raise ConnectionError(f"the connection ended after {len(body)} of {length} bytes")
    return Answer(status, headers, body)


def _read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline().partition(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass


@dataclass
class Server:
    """A running server.

    log : the file that takes what it prints
    """

    process: subprocess.Popen[bytes]
    port: int
    token: str | None
    log: Path
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {"Host": f"127.0.0.1:{self.port}"}
        if self.token is not None:
            self.headers["Authorization"] = f"Bearer {self.token}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self, seconds: float = 30.0) -> socket.socket:
        """Return a new connection whose calls wait at most so long."""
        return socket.create_connection(("127.0.0.1", self.port), seconds)

    def ask(
        self, target: str, body: Any = None, *, method: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask on a connection of its own; a body, which is sent as JSON, makes it a POST."""
        method = method or ("GET" if body is None else "POST")
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"Connection": "close"} | ({"Content-Length": str(len(content))} if body is not None else {})
        lines = [f"{name}: {value}" for name, value in (self.headers | own | (headers or {})).items()]
        with self.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall("\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + content)
            return read_answer(stream, method=method)

    def stop(self, *, kill: bool = False, seconds: float = 20.0) -> int:
        """End the process, by SIGTERM or SIGKILL, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


def free_port() -> int:
    """Return a port of the loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def start(
    folder: Path,
    models: Sequence[Path],
    *options: object,
    token: str | None = None,
    wait: bool = True,
    command: str = "serve",
    port: int | None = None,
) -> Server:
    """Start a server, with a file of a token and a log in `folder`, and wait until it is ready.

    options : of the command, beside --port and --token-file
    port : None takes a free one
    """
    port, log = port or free_port(), folder / "log"
    words: list[object] = [*models, "--port", port, *options]
    if token is not None:
        (folder / "token").write_text(token)
        (folder / "token").chmod(0o600)
        words += ["--token-file", folder / "token"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tastemap", command, *map(str, words)],
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
    server = Server(process, port, token, log)
    if wait:
        try:
            wait_until_ready(server)
        except BaseException:
            server.stop(kill=True)
            raise
    return server


def wait_until_ready(server: Server, seconds: float = LONGEST_START) -> None:
    """Wait until the models are there; raises RuntimeError with the log where they never are."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        try:
            if server.ask("/health/ready").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the server is not ready: {server.log.read_text()[-2_000:]}")


@contextmanager
def running(folder: Path, *options: object, token: str | None = TOKEN) -> Iterator[Server]:
    """Serve both small models, the films and a journal in `folder`, guarded by a token, until the block ends."""
    models = write_models(folder)
    server = start(
        folder, models, "--items", folder / "films.csv", "--events", folder / "events", *options, token=token
    )
    try:
        yield server
    finally:
        server.stop()
