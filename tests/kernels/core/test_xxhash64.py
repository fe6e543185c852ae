"""The hash of ids, compared with the C library of its author."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data._pairs import freeze
from tastemap.kernels.core.xxhash64 import hash_integers, hash_texts


def hash_all(texts: list[bytes]) -> list[int]:
    out: npt.NDArray[np.uint64] = np.empty(len(texts), np.uint64)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    hash_texts(np.frombuffer(b"".join(texts), np.uint8), freeze(ends), out)
    return out.tolist()


def test_texts_of_every_length_are_hashed() -> None:
    text = np.random.default_rng(0).bytes(200)
    texts = [text[:length] for length in range(len(text) + 1)]
    assert hash_all(texts) == [xxhash.xxh64_intdigest(one, 42) for one in texts]


@given(st.lists(st.text(max_size=70)))
def test_texts_are_hashed_one_by_one_wherever_they_lie(texts: list[str]) -> None:
    own = [text.encode() for text in texts]
    assert hash_all(own) == [xxhash.xxh64_intdigest(one, 42) for one in own]


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_integers_are_hashed_as_eight_bytes(numbers: list[int]) -> None:
    out: npt.NDArray[np.uint64] = np.empty(len(numbers), np.uint64)
    hash_integers(freeze(np.array(numbers, np.uint64)), out)
    assert out.tolist() == [xxhash.xxh64_intdigest(one.to_bytes(8, "little"), 42) for one in numbers]
