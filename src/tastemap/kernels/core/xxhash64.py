"""XXH64, a public hash of 64 bits that other systems have too: Spark's `xxhash64` gives the same for a single column.

Yann Collet, xxHash: the XXH64 algorithm, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact

SEED = np.uint64(42)  # Spark's

PRIME_1 = np.uint64(0x9E3779B185EBCA87)
PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
PRIME_3 = np.uint64(0x165667B19E3779F9)
PRIME_4 = np.uint64(0x85EBCA77C2B2AE63)
PRIME_5 = np.uint64(0x27D4EB2F165667C5)


@jit_exact
def rotate(x, n):
    """Rotate 64 bits to the left by n, from 1 to 63."""
    return (x << np.uint64(n)) | (x >> np.uint64(64 - n))


@jit_exact
def take_in(lane, word):
    """Mix 8 bytes into a lane."""
    return rotate(lane + word * PRIME_2, 31) * PRIME_1


@jit_exact
def take_in_last(h, word):
    """Mix 8 of the last bytes into the hash."""
    return rotate(h ^ take_in(np.uint64(0), word), 27) * PRIME_1 + PRIME_4


@jit_exact
def merge_lane(h, lane):
    """Mix a lane into the hash."""
    return (h ^ take_in(np.uint64(0), lane)) * PRIME_1 + PRIME_4


@jit_exact
def finish(h):
    """Let every bit reach every other."""
    h = (h ^ (h >> np.uint64(33))) * PRIME_2
    h = (h ^ (h >> np.uint64(29))) * PRIME_3
    return h ^ (h >> np.uint64(32))


@jit_exact
def read_word(text, start, n_bytes):
    """Return the bytes from `start` on as one number, the first byte lowest."""
    word = np.uint64(0)
    for b in range(n_bytes):
        word |= np.uint64(text[start + b]) << np.uint64(8 * b)
    return word


@jit_exact
def hash_integers(numbers, out):
    """out[j] = XXH64 of the 8 bytes of numbers[j], uint64, the lowest byte first."""
    for j in range(numbers.shape[0]):
        out[j] = finish(take_in_last(SEED + PRIME_5 + np.uint64(8), numbers[j]))


@jit_exact
def hash_texts(text, ends, out):
    """out[j] = XXH64 of the bytes text[ends[j - 1] : ends[j]]; text uint8, ends int64 (n,), out uint64 (n,)."""
    start = 0
    for j in range(ends.shape[0]):
        end = ends[j]
        length = end - start
        if length >= 32:
            a, b, c, d = SEED + PRIME_1 + PRIME_2, SEED + PRIME_2, SEED, SEED - PRIME_1
            while end - start >= 32:
                a = take_in(a, read_word(text, start, 8))
                b = take_in(b, read_word(text, start + 8, 8))
                c = take_in(c, read_word(text, start + 16, 8))
                d = take_in(d, read_word(text, start + 24, 8))
                start += 32
            h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
            h = merge_lane(merge_lane(merge_lane(merge_lane(h, a), b), c), d)
        else:
            h = SEED + PRIME_5
        h += np.uint64(length)
        while end - start >= 8:
            h = take_in_last(h, read_word(text, start, 8))
            start += 8
        if end - start >= 4:
            h = rotate(h ^ (read_word(text, start, 4) * PRIME_1), 23) * PRIME_2 + PRIME_3
            start += 4
        while start < end:
            h = rotate(h ^ (np.uint64(text[start]) * PRIME_5), 11) * PRIME_1
            start += 1
        out[j] = finish(h)
