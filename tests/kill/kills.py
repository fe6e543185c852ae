"""Kills each kind of work at random moments, checks what is left, and prints a table: `make kill ROUNDS=300 SEED=0`."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from kinds import KINDS, SERVER, command, environment

from databases import find_programs, run_server


class Killed(NamedTuple):
    """What a kill came to.

    in_time : whether the work was still going on
    left : whether a hidden file was left, which the next write has removed
    failure : what was lost or blocked, None where nothing was
    """

    kind: str
    number: int
    in_time: bool
    left: bool
    failure: str | None
    seconds: float


def kill_once(kind: str, number: int, seed: int) -> Killed:
    """Begin the work, kill it after a time that depends on the seed and the number, and check what is left."""
    started, delay = time.perf_counter(), random.Random(f"{seed} {kind} {number}").random()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made"
        with subprocess.Popen(
            command(kind, path), env=environment(kind, path), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            begun = process.stdout.readline() == "ready\n"
            time.sleep(delay * KINDS[kind].longest)
            in_time = process.poll() is None
            process.kill()
        left = any(entry.name.startswith(".") for entry in Path(folder).iterdir())
        failure = None if begun else "the work never began"
        try:
            KINDS[kind].check(path)
        except Exception as error:  # whatever it is, a user would meet it
            failure = f"{type(error).__name__}: {error}"
    return Killed(kind, number, in_time, left, failure, time.perf_counter() - started)


def kill_many(rounds: int, seed: int, kinds: list[str]) -> list[Killed]:
    """Kill `rounds` times, spread evenly over the kinds, two at a time."""
    jobs = [(kinds[number % len(kinds)], number // len(kinds)) for number in range(rounds)]
    # Spawned, because a forked process must not use the threads that its parent began.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(kill_once, *zip(*jobs, strict=True), [seed] * rounds))


def main() -> None:
    """Print a table; the exit status is 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="how many kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--kinds", help="which kinds of work, with commas; all if absent")
    options = parser.parse_args()
    started = time.perf_counter()
    has_server = find_programs() is not None
    kinds = (
        options.kinds.split(",") if options.kinds else [kind for kind in KINDS if has_server or not KINDS[kind].server]
    )
    with run_server() if has_server else nullcontext() as server:
        if server is not None:
            os.environ[SERVER] = server.uri
        killed = kill_many(options.rounds, options.seed, kinds)
    print(f"{'kind':<14} {'kills':>6} {'in time':>8} {'left files':>11} {'failed':>7} {'seconds':>8}")
    for kind in kinds:
        own = [one for one in killed if one.kind == kind]
        counts = len(own), sum(one.in_time for one in own), sum(one.left for one in own)
        failed, seconds = sum(one.failure is not None for one in own), sum(one.seconds for one in own)
        print(f"{kind:<14} {counts[0]:>6} {counts[1]:>8} {counts[2]:>11} {failed:>7} {seconds:>8.0f}")
    failures = [one for one in killed if one.failure is not None]
    for one in failures:
        print(f"{one.kind} {one.number}: {one.failure}")
    print(f"{len(killed)} kills, {len(failures)} failures, seed {options.seed}, {time.perf_counter() - started:.0f} s")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
