"""Runs the service on a port, in one process or several."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tastemap.errors import DataError, ParameterError, Remedy, TastemapWarning
from tastemap.extras import import_extra

if TYPE_CHECKING:
    from tastemap.serve.guard import Guard
    from tastemap.serve.service import App

# Where the processes find their settings.
SETTINGS = "TASTEMAP_SERVE"

# Seconds that requests in flight may take after SIGTERM, and that a connection is kept without any.
LAST_SECONDS, IDLE_SECONDS = 30, 30

# Bytes of a message that a page sends.
MOST_MESSAGE = 1 << 20

# Seconds after which nobody waits any more for a server to be ready.
LONGEST_START = 600


@dataclass(frozen=True)
class Settings:
    """What the processes of a server are made from.

    models : the files by name
    hosts : the names by which the server may be called
    copies : a private folder for copies of the models' files, which the processes map
    """

    models: dict[str, str]
    items: str | None
    item_id: str | None
    title_column: str | None
    token_file: str | None
    events: str | None
    hosts: Sequence[str]
    json_logs: bool
    log_requests: bool
    copies: str | None = None


def run(
    settings: Settings,
    host: str,
    port: int,
    processes: int,
    tell: Callable[[str], object],
    pages: Callable[[App], object] | None = None,
) -> None:
    """Serve until a signal ends it; requests in flight are answered first.

    tell : gets the address of the server when it answers
    pages : adds pages for people, which need WebSockets and one process

    Raises ParameterError, DataError and OSError, before anything is served, for what cannot be.
    """
    uvicorn = import_extra("uvicorn", "uvicorn", extra="serve", purpose="tastemap serve")
    if not is_loopback(host) and settings.token_file is None:
        raise ParameterError(
            f"{host} can be reached from other machines, and everybody there could read histories",
            Remedy("ask for a token, from a file", "token_file", ...),
            parameter="host",
            value=host,
        )
    read_token(settings.token_file)
    check_port(host, port)
    # uvicorn raises the signal that ended it once more, when all is answered: that is a good end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _share(settings) if processes > 1 else nullcontext(settings) as shared:
        app = make_app(shared, pages)
        threading.Thread(target=_announce, args=(host, port, tell), daemon=True).start()
        uvicorn.run(
            # Several processes make their own; what is made here tells whether it can be made, and is gone again.
            app if processes == 1 else "tastemap.serve.run:make_process_app",
            factory=processes > 1,
            host=host,
            port=port,
            workers=processes,
            http=_find_protocol(),
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            ws="none" if pages is None else "websockets-sansio",
            ws_max_size=MOST_MESSAGE,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=LAST_SECONDS,
            backlog=2048,
        )


@contextmanager
def _share(settings: Settings) -> Iterator[Settings]:
    """Give several processes what they share: their settings, the copies of models, and what they count."""
    with tempfile.TemporaryDirectory(prefix="tastemap-serve-") as folder:
        counts = Path(folder, "counts")
        counts.mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
        shared = replace(settings, copies=str(Path(folder, "models")))
        os.environ[SETTINGS] = json.dumps(asdict(shared))
        yield shared


def make_process_app() -> Guard:
    """Make the application of a process, from the settings in its environment."""
    return make_app(Settings(**json.loads(os.environ[SETTINGS])))


def make_app(settings: Settings, pages: Callable[[App], object] | None = None) -> Guard:
    """Make the application."""
    from tastemap.serve import app

    import_extra("orjson", "orjson", extra="serve", purpose="tastemap serve")
    from tastemap.serve.logs import set_up

    set_up(as_json=settings.json_logs, requests=settings.log_requests)
    return app(
        {name: Path(path) for name, path in settings.models.items()},
        items=settings.items,
        item_id=settings.item_id,
        title_column=settings.title_column,
        token=read_token(settings.token_file),
        events=settings.events,
        hosts=settings.hosts,
        copies=settings.copies,
        pages=pages,
    )


def read_token(path: str | None) -> str | None:
    """Return what a file says; raises DataError for one that is empty or holds more than a line, OSError for none."""
    if path is None:
        return None
    token = Path(path).read_text(encoding="utf-8").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise DataError(f"{path} must hold a token: one line of letters, digits and signs")
    if os.name == "posix" and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
        warnings.warn(
            TastemapWarning(f"others may read the token in {path}: run chmod 600 {path}", path=path), stacklevel=2
        )
    return token


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_port(host: str, port: int) -> None:
    """Raise OSError, in one sentence, where a server cannot listen."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise type(error)(
            f"nothing can listen on port {port} of {host}, {error.strerror}: pass another --port or --host"
        ) from error


def _find_protocol() -> Any:
    """Return uvicorn's fast HTTP with limits, or its plain one where httptools is missing."""
    import_extra("httptools", "httptools", extra="serve", purpose="tastemap serve")
    from tastemap.serve.protocol import Protocol

    return Protocol


def _announce(host: str, port: int, tell: Callable[[str], object]) -> None:
    """Tell that the server answers, once it does."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(reached, port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                tell(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
