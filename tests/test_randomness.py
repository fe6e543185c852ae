"""The table of random streams: names, keys and states that no release may change, or models change with them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tastemap
from tastemap.randomness import INTERVALS, Stream, derive_state

MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    """The output for a state, in Python's own integers (Steele, Lea and Flood, figure 17)."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


@pytest.fixture(autouse=True)
def _wrapping_integers() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


def test_the_keys_are_frozen() -> None:
    assert {stream.name: (stream.parent, stream.key) for stream in Stream} == {
        "FIRST_USERS": ("seed", 0),
        "FIRST_ITEMS": ("seed", 1),
        "FIRST_ITEMS_ALONE": ("seed", 0),
        "FOLD_IN": ("seed", 2),
        "LISTS": ("seed", 0),
        "RESAMPLES": ("seed", 0),
        "HELD_OUT": ("seed", 0),
        "SIGNS": ("seed", 0),
        "EPOCHS": ("seed", 0),
        "EPOCH": ("EPOCHS", 0),
        "SHUFFLE_USERS": ("EPOCH", 1),
        "SHUFFLE_ITEMS": ("EPOCH", 2),
        "DEAL": ("EPOCH", 3),
        "BUCKET": ("EPOCH", 4),
    }
    assert INTERVALS == 0


def test_every_stream_has_a_use_and_a_parent_of_its_own_table() -> None:
    for stream in Stream:
        assert stream.use
        assert stream.parent == "seed" or Stream[stream.parent] is not stream
    assert len({stream.use for stream in Stream}) == len(list(Stream))


def test_only_key_0_of_the_seed_is_shared() -> None:
    names = defaultdict(list)
    for stream in Stream:
        names[stream.parent, stream.key].append(stream.name)
    assert [key for key, sharing in names.items() if len(sharing) > 1] == [("seed", 0)]


@pytest.mark.parametrize("seed", [0, 7, 2**63, 2**64 - 1])
@pytest.mark.parametrize("stream", Stream)
def test_a_state_is_the_mix_of_parent_key_and_number(seed: int, stream: Stream) -> None:
    for number in (0, 1, 65):
        state = derive_state(seed, stream, number)
        assert type(state) is np.uint64
        assert int(state) == splitmix64((seed + stream.key + number) & MASK)
    assert derive_state(np.uint64(seed), stream) == derive_state(seed, stream), "a seed and a state count alike"


def test_states_follow_from_the_seed_along_the_table() -> None:
    epoch = derive_state(derive_state(3, Stream.EPOCHS), Stream.EPOCH, 2)
    assert int(epoch) == splitmix64(splitmix64(3) + 2)
    assert int(derive_state(epoch, Stream.BUCKET, 5)) == splitmix64((int(epoch) + 4 + 5) & MASK)


def test_only_the_table_makes_states_of_seeds() -> None:
    package = Path(tastemap.__file__).parent
    for path in package.rglob("*.py"):
        inside = path.relative_to(package)
        if inside.parts[0] == "kernels" or inside.name == "randomness.py":
            continue
        imported = [
            name.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module == "tastemap.kernels.core.random"
            for name in node.names
        ]
        assert "mix" not in imported, f"{inside} makes a state by hand: name a stream in tastemap.randomness"
