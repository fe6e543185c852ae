"""How recent pairs are: the one rule by which a history has an order."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tastemap.data._pairs import freeze, order_by
from tastemap.typing import Array, Ints


class Recency(NamedTuple):
    """How recent each pair of some histories is, aligned with the pairs.

    position : int32, (pairs,): the place of a pair from the end of its user's history, 0 for the newest. The order is
        that of the times; of equal times, and where there are none, the pair that comes later in input order is newer
    time : int64 or float64, (pairs,): when it was, in the unit of the training's times; None where that is not known
    """

    position: Ints
    time: Array | None

    def fingerprint(self) -> str:
        """Return a hash of positions and times, as 32 hexadecimal digits."""
        digest = hashlib.blake2b(self.position.data, digest_size=16)
        if self.time is not None:
            digest.update(self.time.data)
        return digest.hexdigest()


def find_recency(indptr: npt.NDArray[np.int64], time: Array | None, by_input: Array | None) -> Recency:
    """Return how recent the pairs of CSR rows are.

    time : of each pair, None where there are none
    by_input : the places of the pairs in input order; None where that is their order
    """
    lengths = np.diff(indptr)
    n_pairs, n_rows = int(indptr[-1]), len(lengths)
    rows = np.repeat(np.arange(n_rows, dtype=np.int32), lengths)
    oldest_first = by_input
    if time is not None:
        given = time if by_input is None else time[by_input]
        by_time = np.argsort(given, kind="stable")
        oldest_first = by_time if by_input is None else by_input[by_time]
    ends = np.repeat(indptr[1:], lengths) - 1 - np.arange(n_pairs)
    if oldest_first is None:
        position = ends.astype(np.int32)
    else:
        # Sorted by row, the pairs of a row stay between the same bounds of indptr.
        position = np.empty(n_pairs, np.int32)
        position[oldest_first[order_by(rows[oldest_first], n_rows)]] = ends
    return Recency(freeze(position), freeze(time))
