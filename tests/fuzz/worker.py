"""Runs inputs in a process of its own, so that a crash, a hang or a hunger for memory is a finding too."""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fuzz.verdict import Finding

# Seconds until an input that has not ended is a hang.
PATIENCE = 60.0

# Seconds that a process may take until it is ready: it imports everything.
START = 120.0

# The most memory of a process, in bytes; its libraries reserve about a gigabyte without using it.
MEMORY = 4 << 30


class Outcome(NamedTuple):
    """What an input led to: a right answer, an intended refusal, a finding, or nothing where it could not be made."""

    verdict: Literal["right", "refused", "finding", "not made"]
    finding: Finding | None = None


class Worker:
    """A process that checks one input after the other; after a crash or a hang a new one takes its place."""

    def __init__(self, memory: int = MEMORY, patience: float = PATIENCE) -> None:
        self._memory, self._patience = memory, patience
        self._folder = Path(tempfile.mkdtemp(prefix="tastemap-fuzz-"))
        self._process: Any = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            if self._process is not None:
                self._pipe.send(None)  # so that it ends by itself, and gives back what it shares with others
                self._process.join(5)
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def check(self, target: str, value: Any) -> Outcome:
        """Check an input of a target."""
        if self._process is None:
            self._start()
        try:
            self._pipe.send((target, value))
            if self._pipe.poll(self._patience):
                outcome: Outcome = self._pipe.recv()
                return outcome
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            name = signal.Signals(-code).name if code is not None and code < 0 else f"status {code}"
            return self._bury(f"the process died with {name}")
        os.kill(self._process.pid, signal.SIGUSR1)  # says where it hangs
        time.sleep(0.5)
        return self._bury(f"no answer within {self._patience:.0f} s")

    def _bury(self, what: str) -> Outcome:
        said = self._errors.read_text(errors="replace")[-20_000:]
        self._end()
        frames = [line for line in said.splitlines() if line.startswith('  File "') and "tastemap" in line]
        where = frames[0].rpartition(" in ")[2] if frames else "?"
        panic = next((line for line in said.splitlines() if "panicked" in line or "allocation" in line), "")
        return Outcome("finding", Finding(f"{what} in {where}", f"{what} in {where} {panic}\n\n{said}"))

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._errors = self._folder / "stderr"
        arguments = (theirs, str(self._folder), self._memory)
        self._process = spawn.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        if self._pipe.poll(START):
            self._pipe.recv()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def check_here(target: str, value: Any) -> Outcome:
    """Check an input of a target in this process."""
    from fuzz import verdict

    module = importlib.import_module(f"fuzz.{target}")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            module.check(value)
        except verdict.NotMade:
            return Outcome("not made")
        except verdict.Refused:
            return Outcome("refused")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of polars is no Exception
            if verdict.find_fault(error) is not None:
                return Outcome("finding", verdict.describe(error))
            return Outcome("refused")
    faulty = verdict.find_faulty_warning(told)
    return Outcome("right") if faulty is None else Outcome("finding", faulty)


def _serve(pipe: Connection, folder: str, memory: int) -> None:
    stderr = os.open(Path(folder, "stderr"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(stderr, standard)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(dir=folder)
    os.chdir(tempfile.tempdir)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    importlib.import_module("fuzz.small_models")
    pipe.send("ready")
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        if task is None:
            return
        os.truncate(stderr, 0)
        pipe.send(check_here(*task))
