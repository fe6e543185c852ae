"""Heaps of the best entries so far, ordered by (score descending, column ascending), the worst at the root.

An entry is scores[j], float32, and columns[j], int32.
"""

from __future__ import annotations

from tastemap.kernels.core.jit import jit_exact


@jit_exact
def worse(score, column, other_score, other_column):
    """Tell whether the first entry comes after the second."""
    return score < other_score or (score == other_score and column > other_column)


@jit_exact
def push(scores, columns, size, score, column):
    """Add an entry to a heap of `size` entries."""
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if not worse(score, column, scores[parent], columns[parent]):
            break
        scores[child] = scores[parent]
        columns[child] = columns[parent]
        child = parent
    scores[child] = score
    columns[child] = column


@jit_exact
def replace_root(scores, columns, size, score, column):
    """Put an entry in the place of the worst one."""
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        right = child + 1
        if right < size and worse(scores[right], columns[right], scores[child], columns[child]):
            child = right
        if not worse(scores[child], columns[child], score, column):
            break
        scores[parent] = scores[child]
        columns[parent] = columns[child]
        parent = child
    scores[parent] = score
    columns[parent] = column


@jit_exact
def sort(scores, columns, size):
    """Heapsort the first `size` entries, best first."""
    # The scores may have changed since the entries were pushed: build the heap again.
    for j in range(size):
        push(scores, columns, j, scores[j], columns[j])
    for end in range(size - 1, 0, -1):
        score, column = scores[end], columns[end]
        scores[end], columns[end] = scores[0], columns[0]
        replace_root(scores, columns, end, score, column)
