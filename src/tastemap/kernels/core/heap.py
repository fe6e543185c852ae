"""Heaps of the best entries so far, ordered by (score descending, place ascending), the worst at the root.

An entry is scores[j], float32, and places[j], int32: a place in the order that settles ties.
"""

from __future__ import annotations

from tastemap.kernels.core.jit import jit_exact


@jit_exact
def worse(score, place, other_score, other_place):
    """Tell whether the first entry comes after the second."""
    return score < other_score or (score == other_score and place > other_place)


@jit_exact
def push(scores, places, size, score, place):
    """Add an entry to a heap of `size` entries."""
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if not worse(score, place, scores[parent], places[parent]):
            break
        scores[child] = scores[parent]
        places[child] = places[parent]
        child = parent
    scores[child] = score
    places[child] = place


@jit_exact
def replace_root(scores, places, size, score, place):
    """Put an entry in the place of the worst one."""
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        right = child + 1
        if right < size and worse(scores[right], places[right], scores[child], places[child]):
            child = right
        if not worse(scores[child], places[child], score, place):
            break
        scores[parent] = scores[child]
        places[parent] = places[child]
        parent = child
    scores[parent] = score
    places[parent] = place


@jit_exact
def sort(scores, places, size):
    """Heapsort the first `size` entries, best first."""
    # The scores may have changed since the entries were pushed: build the heap again.
    for j in range(size):
        push(scores, places, j, scores[j], places[j])
    for end in range(size - 1, 0, -1):
        score, place = scores[end], places[end]
        scores[end], places[end] = scores[0], places[0]
        replace_root(scores, places, end, score, place)
