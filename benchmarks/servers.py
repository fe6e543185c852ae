"""Servers of models in processes of their own, what drives them, and what they hold.

Only the loopback is used, every run is bounded in time, and a server ends with the block that it serves.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from side_by_side import HERE, Row

LONGEST_START = 120.0
# hey asks for one target a process, and its workers begin each tick together: several that are small are like people.
HEYS, WORKERS = 5, 3
NEEDED = ("wrk", "hey")


def check_tools() -> None:
    """Leave in one sentence where what makes the load is absent."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        raise SystemExit(f"there is no {' and no '.join(absent)}: on Debian and Ubuntu, apt install {' '.join(absent)}")


@dataclass(frozen=True)
class Server:
    """A running server; `seconds` is how long it took until it was ready."""

    process: subprocess.Popen[bytes]
    port: int
    seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, target: str) -> tuple[int, bytes]:
        return self._ask("GET", target, None)

    def post(self, target: str, body: bytes) -> tuple[int, bytes]:
        return self._ask("POST", target, body)

    def _ask(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def kill(self) -> None:
        """End the server and the processes that it started, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def tastemap(*words: object, command: str = "serve") -> list[str]:
    """The command of `tastemap serve` or `tastemap explore`."""
    return [sys.executable, "-m", "tastemap", command, *map(str, words)]


def asgi(module: str) -> list[str]:
    """The command of an application of this folder."""
    options = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return [sys.executable, "-m", "uvicorn", f"{module}:app", "--app-dir", str(HERE), *options]


@contextmanager
def served(command: Sequence[str], ready: str, *, log: Path, threads: int = 2, **environment: str) -> Iterator[Server]:
    """Start a server on a free port, and give it once `ready` is answered with 200; it is ended with the block."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    print(f"  {' '.join(command[1:])} --port {port}", file=sys.stderr, flush=True)
    before = time.perf_counter()
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=out,
            stderr=out,
            env=os.environ | {"TASTEMAP_THREADS": str(threads)} | environment,
            start_new_session=True,  # so that its processes can be ended together
        )
    try:
        _wait(process, port, ready, log)
        yield Server(process, port, time.perf_counter() - before)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, ready: str, log: Path) -> None:
    server = Server(process, port, 0)
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.get(ready)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise SystemExit(f"the server is not ready: {log.read_text(errors='replace')[-2_000:]}")


def at_most(server: Server, target: str, users: Path, *, connections: int, seconds: float) -> Row:
    """Ask for users by chance as fast as answers come: requests/s, p50 and p99 in ms, errors."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s", "-s", str(HERE / "serving.lua")]
    done = subprocess.run(
        [*words, server.url],
        env=os.environ | {"USERS": str(users), "TARGET": target},
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    found = [line.removeprefix("found ") for line in done.stdout.splitlines() if line.startswith("found ")]
    if not found:
        raise SystemExit(f"wrk failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    row = json.loads(found[0])
    return {"requests/s": row.pop("requests") / row.pop("seconds"), **row}


def at_rate(server: Server, target: str, users: Sequence[str], *, rate: float, seconds: float) -> Row:
    """Ask at a fixed rate, whether answers come or not as long as workers are free: the same figures."""
    each = rate / (HEYS * WORKERS)
    words = ["hey", "-z", f"{seconds:.0f}s", "-c", str(WORKERS), "-q", f"{each:g}", "-o", "csv"]
    children = [
        subprocess.Popen([*words, server.url + target.replace("@", user)], stdout=subprocess.PIPE, text=True)
        for user in users[:HEYS]
    ]
    told = [child.communicate(timeout=seconds + 60)[0] for child in children]
    lines = [line for text in told for line in csv.DictReader(io.StringIO(text))]
    times = [1e3 * float(line["response-time"]) for line in lines]
    percents = statistics.quantiles(times, n=100, method="inclusive")
    errors = sum(line["status-code"] != "200" for line in lines)
    return {"requests/s": len(lines) / seconds, "p50": percents[49], "p99": percents[98], "errors": errors}


def memory(server: Server) -> Row:
    """Return the bytes that the server and the processes below it hold: resident, and their share of shared pages."""
    total = {"Rss": 0, "Pss": 0}
    for process in _family(server.process.pid):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        for line in lines:
            name, _, rest = line.partition(":")
            if name in total:
                total[name] += int(rest.split()[0]) * 1024
    return total


def _family(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *(process for child in children for process in _family(int(child)))]
