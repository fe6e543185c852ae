"""Plain damage to bytes: flips, cuts, repeats, zeros and exchanged parts."""

from __future__ import annotations

from hypothesis import strategies as st

# A place is a share of the length, so that it means something for bytes of any length.
Mutation = tuple[str, float, int]

KINDS = ["flip", "set", "cut", "drop", "zero", "repeat", "insert", "swap"]
one = st.tuples(st.sampled_from(KINDS), st.floats(0, 1), st.integers(0, 255))
# Mostly none, so that whole files are tried too.
mutations = st.one_of(st.just([]), st.just([]), st.lists(one, min_size=1, max_size=4))
some_mutations = st.lists(one, min_size=1, max_size=4)


def mutate(content: bytes, damage: list[Mutation]) -> bytes:
    """Return bytes with damage done to them, one after the other."""
    data = bytearray(content)
    for kind, share, number in damage:
        place = min(int(share * len(data)), max(len(data) - 1, 0))
        end = min(place + number % 40 + 1, len(data))
        if kind == "insert":
            data[place:place] = bytes([number]) * (1 + number % 7)
        elif not data:
            continue
        elif kind == "flip":
            data[place] ^= 1 << number % 8
        elif kind == "set":
            data[place] = number
        elif kind == "cut":
            del data[place:]
        elif kind == "drop":
            del data[place:end]
        elif kind == "zero":
            data[place:end] = bytes(end - place)
        elif kind == "repeat":
            data[place:place] = data[place:end]
        elif kind == "swap":
            data[place], data[-1 - place] = data[-1 - place], data[place]
    return bytes(data)
