"""Minutes of the HTTP service at half its maximum, with a new model every minute and events all the time.

    python soak.py --minutes 10

wrk finds the maximum at 64 connections; then a client of this process asks for lists of users by chance at half of it,
on a schedule that does not wait for answers, and posts events. Every minute another model's file takes the place of the
one that is served, by renaming. At the end the server is killed while events are on their way, and the journal is read.

It must show: no request failed; every file was served; the memory of all processes at the end is within 5 % of that
after a fifth of the time, minute 2 of 10; every event that was acknowledged is in the journal.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import servers
from servers import Server, at_most, served
from side_by_side import Report, Row, command_line, fresh

MINUTES = 10.0
CONNECTIONS = 32
EVENTS_PER_SECOND = 5.0
MOST_GROWTH = 1.05
# The time of event 0: events differ by their times, in whole seconds.
FIRST_TIME = 1_700_000_000
LONGEST_ANSWER = 10.0
LONGEST_RELOAD = 15.0


def write_two_models(folder: str, threads: int) -> Row:
    """Write two models of MovieLens 1M's likes, and the users and items that both know."""
    import numpy as np
    import tasks

    import tastemap as tm

    for name, seed in (("one", 0), ("other", 1)):
        model = tm.ImplicitALS(factors=64, seed=seed).fit(tasks.likes(), progress=False)
        model.save(Path(folder) / f"{name}.safetensors")
    state = model.state
    for name, ids, known in (("users", state.users, state.known_users), ("items", state.items, state.known_items)):
        (Path(folder) / f"{name}.txt").write_text("".join(f"{one}\n" for one in ids.take(np.flatnonzero(known))))
    return {"users": int(state.known_users.sum())}


class Connection(asyncio.Protocol):
    """A connection that is kept: one request at a time, and its answer."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0 or self.answer is None:
            return
        head = bytes(self.received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self.received) >= end + 4 + length:
            body = bytes(self.received[end + 4 : end + 4 + length])
            del self.received[: end + 4 + length]
            answer, self.answer = self.answer, None
            if not answer.done():
                answer.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionError("the server closed the connection"))


class Client:
    """Asks a server over one connection, which it makes again where the server has closed it between two requests."""

    def __init__(self, port: int) -> None:
        self.port, self.connection = port, Connection()

    async def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        if self.connection.transport is None or self.connection.transport.is_closing():
            loop = asyncio.get_running_loop()
            _, self.connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        self.connection.answer = asyncio.get_running_loop().create_future()
        assert self.connection.transport is not None
        head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.connection.transport.write(f"{head}\r\n".encode() + body)
        async with asyncio.timeout(LONGEST_ANSWER):
            return await self.connection.answer


class Soak:
    """Asks and posts for some minutes, and notes what came of it."""

    def __init__(self, server: Server, folder: Path, *, rate: float, events: float) -> None:
        self.server, self.folder, self.rate, self.event_rate = server, folder, rate, events
        self.users, self.items = ((folder / f"{name}.txt").read_text().split() for name in ("users", "items"))
        self.random = random.Random(0)
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self.acknowledged: list[int] = []
        self.asked, self.posted, self.is_over, self.is_killed = 0, 0, False, False
        self.reloads: list[float] = []

    async def ask(self, started: float) -> None:
        """Take the next place of the schedule, wait for its moment, ask; again and again."""
        client, loop = Client(self.server.port), asyncio.get_running_loop()
        while not self.is_over:
            moment = started + self.asked / self.rate
            self.asked += 1
            await asyncio.sleep(moment - loop.time())
            user = self.random.choice(self.users)
            try:
                status, body = await client.ask("GET", f"/recommend?user={user}&k=10")
            except (OSError, TimeoutError) as error:
                self._fail(f"user {user}: {type(error).__name__} {error}")
                continue
            # From the moment that the schedule has, so that a server that is behind is not excused.
            self.latencies.append(loop.time() - moment)
            if status != 200 or not json.loads(body)["items"]:
                self._fail(f"user {user}: status {status}, {body[:200]!r}")

    async def post(self, started: float) -> None:
        """Post events, one a request, and note the number of each that is acknowledged."""
        client, loop = Client(self.server.port), asyncio.get_running_loop()
        while not self.is_killed:
            number = self.posted
            self.posted += 1
            await asyncio.sleep(started + number / self.event_rate - loop.time())
            user, item = self.random.choice(self.users), self.random.choice(self.items)
            event = {"user": user, "item": item, "time": FIRST_TIME + number}
            try:
                status, body = await client.ask("POST", "/events", json.dumps(event).encode())
            except (OSError, TimeoutError) as error:
                if not self.is_killed:
                    self._fail(f"event {number}: {type(error).__name__} {error}")
                continue
            if status == 200 and json.loads(body)["accepted"] == 1:
                self.acknowledged.append(number)
            else:
                self._fail(f"event {number}: status {status}, {body[:200]!r}")

    async def reload(self, name: str) -> None:
        """Put another model in the place of the one that is served, and wait until its digest is told."""
        before = await self._digests()
        copy = self.folder / "served.safetensors.new"
        shutil.copyfile(self.folder / f"{name}.safetensors", copy)
        os.replace(copy, self.folder / "served.safetensors")
        renamed = time.monotonic()
        while await self._digests() == before:
            if time.monotonic() > renamed + LONGEST_RELOAD:
                return self._fail(f"{name}.safetensors was not served after {LONGEST_RELOAD:.0f} s")
            await asyncio.sleep(0.1)
        self.reloads.append(time.monotonic() - renamed)

    async def _digests(self) -> object:
        status, body = await Client(self.server.port).ask("GET", "/health/ready")
        return json.loads(body)["models"] if status == 200 else None

    def _fail(self, what: str) -> None:
        self.failures.append(what)

    async def run(self, minutes: float, tell: Callable[[Row], None]) -> None:
        """Go on for some minutes, tell of each, and end with the server killed while events are on their way."""
        loop = asyncio.get_running_loop()
        started = loop.time() + 0.5
        asking = [loop.create_task(self.ask(started)) for _ in range(CONNECTIONS)]
        posting = [loop.create_task(self.post(started)) for _ in range(2)]
        # Ten looks whatever the time; the model changes between two of them, so that both see one at rest.
        pause = minutes * 60 / 10
        for number in range(1, 11):
            await asyncio.sleep(started + (number - 0.5) * pause - loop.time())
            await self.reload("other" if number % 2 else "one")
            await asyncio.sleep(started + number * pause - loop.time())
            times, self.latencies = self.latencies, []
            percents = [1e3 * one for one in statistics.quantiles(times, n=100)]
            row: Row = {
                "minute": number * pause / 60,
                "requests": len(times),
                "p50 ms": percents[49],
                "p99 ms": percents[98],
            }
            row |= {"failed": len(self.failures), "reloads": len(self.reloads), "events": len(self.acknowledged)}
            held = servers.memory(self.server)
            tell(row | {f"{name} MB": size / 1e6 for name, size in held.items()})
        self.is_over = True
        await asyncio.gather(*asking)
        # Events come as fast as they can when the end comes.
        self.event_rate, started = 1e9, loop.time()
        posting += [loop.create_task(self.post(started)) for _ in range(8)]
        await asyncio.sleep(1)
        self.is_killed = True
        self.server.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*posting), LONGEST_ANSWER)


def read_journal(folder: Path) -> set[int]:
    """Return the numbers of the events in a journal; a last line without an end was never acknowledged."""
    numbers = set()
    for path in folder.iterdir():
        for line in path.read_bytes().split(b"\n")[:-1]:
            when = datetime.fromisoformat(json.loads(line)["time"])
            numbers.add(round(when.timestamp()) - FIRST_TIME)
    return numbers


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--events", type=float, default=EVENTS_PER_SECOND, help="events a second")
    parser.add_argument("--rate", type=float, help="requests a second; default: half the maximum")
    options = parser.parse_args()
    servers.check_tools()
    minutes = 1.0 if options.quick else options.minutes
    report = Report(options.json)
    rows: list[Row] = []

    def tell(row: Row) -> None:
        rows.append(row)
        print("  " + ", ".join(f"{name} {value:,.4g}" for name, value in row.items()), flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fresh(write_two_models, folder=name, threads=2)
        shutil.copyfile(folder / "one.safetensors", folder / "served.safetensors")
        words = ("--events", folder / "events", "--processes", options.processes)
        command = servers.tastemap(folder / "served.safetensors", *words)
        with served(command, "/health/ready", log=folder / "log") as server:
            target = "/recommend?user=@&k=10"
            most = at_most(server, target, folder / "users.txt", connections=64, seconds=min(10.0, 20 * minutes))
            rate = options.rate or most["requests/s"] / 2
            soak = Soak(server, folder, rate=rate, events=options.events)
            asyncio.run(soak.run(minutes, tell))
        lost = set(soak.acknowledged) - read_journal(folder / "events")
        log = (folder / "log").read_text(errors="replace")
    growth = {name: rows[-1][name] / rows[1][name] for name in ("Rss MB", "Pss MB")}
    title = f"{minutes:g} minutes at {rate:,.0f} requests/s, {options.processes} processes"
    report.table(
        f"{title}; at most {most['requests/s']:,.0f}/s",
        rows,
        f"Reloads took {min(soak.reloads, default=0):.1f} to {max(soak.reloads, default=0):.1f} s from the renaming.",
    )
    checks: list[Row] = [
        {"what": "failed requests", "found": len(soak.failures), "met": _yes(not soak.failures)},
        {"what": "files that were served", "found": len(soak.reloads), "met": _yes(len(soak.reloads) == 10)},
        *(
            {"what": f"{name[:3]} at the end / after a fifth", "found": ratio, "met": _yes(ratio <= MOST_GROWTH)}
            for name, ratio in growth.items()
        ),
        {"what": "events acknowledged", "found": len(soak.acknowledged), "met": _yes(bool(soak.acknowledged))},
        {"what": "of them not in the journal", "found": len(lost), "met": _yes(not lost)},
        {"what": "tracebacks in the log", "found": log.count("Traceback"), "met": _yes("Traceback" not in log)},
    ]
    report.table("What must hold", checks, "\n".join(soak.failures[:10]))
    report.finish()
    raise SystemExit(any(check["met"] == "NO" for check in checks))


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


if __name__ == "__main__":
    main()
