"""Fuzzes tastemap: `make fuzz MINUTES=20`, or `python -m fuzz --again FILE` for a finding that was saved."""

from __future__ import annotations

import argparse
import pickle
import random
import sys
import time
from collections import Counter
from pathlib import Path

from fuzz.hunt import TARGETS, Hunt, save
from fuzz.worker import Worker

VERDICTS = ("right", "refused", "not made", "finding")

# The number of inputs of a target before it is the next one's turn.
BATCH = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long")
    parser.add_argument("--seed", type=int, default=None, help="the seed; a random one if absent")
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=list(TARGETS), metavar="TARGET")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="folder for findings")
    parser.add_argument("--again", type=Path, nargs="*", default=None, help="saved findings to check again")
    asked = parser.parse_args()
    return _check_again(asked.again) if asked.again else _hunt(asked.minutes, asked.seed, asked.targets, asked.out)


def _hunt(minutes: float, seed: int | None, targets: list[str], out: Path) -> int:
    seed = random.SystemRandom().randrange(10**9) if seed is None else seed
    print(f"seed {seed}", flush=True)
    start = time.monotonic()
    end = start + 60 * minutes
    seconds = dict.fromkeys(targets, 0.0)
    draws = random.Random(seed)
    with Worker() as worker:
        hunt = Hunt(worker)
        while (now := time.monotonic()) < end:
            # The target that had the least time, so that slow inputs take no time from the others.
            target = min(seconds, key=seconds.__getitem__)
            before = len(hunt.found)
            hunt.run(target, draws.randrange(10**9), BATCH, min(end, now + 60 * minutes / len(targets) / 4))
            seconds[target] += time.monotonic() - now
            for found in [*hunt.found.values()][before:]:
                print(f"{found.target}: {found.finding.signature}\n    {save(found, out)}", flush=True)
    print()
    _print_row("target", "inputs", *VERDICTS, "of them new", "seconds")
    for target in targets:
        counts = hunt.counts.get(target, Counter())
        new = sum(found.target == target for found in hunt.found.values())
        _print_row(target, counts.total(), *(counts[name] for name in VERDICTS), new, round(seconds[target]))
    total = sum(sum(counts.values()) for counts in hunt.counts.values())
    print(f"\n{total:,} inputs in {time.monotonic() - start:.0f} s, {len(hunt.found)} findings, seed {seed}")
    for found in hunt.found.values():
        print(f"{found.times:6} x {found.target}: {found.finding.signature}")
    return 1 if hunt.found else 0


def _print_row(name: str, *cells: object) -> None:
    print(f"{name:12}", *(f"{cell:>11}" for cell in cells))


def _check_again(paths: list[Path]) -> int:
    failed = 0
    with Worker() as worker:
        for path in paths:
            target, value = pickle.loads(path.read_bytes())
            outcome = worker.check(target, value)
            failed += outcome.finding is not None
            print(f"{path}: {outcome.verdict}")
            if outcome.finding is not None:
                print(f"{outcome.finding.signature}\n{outcome.finding.text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
