"""Places vectors in a plane, near each other where their cosine is high."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from tastemap.extras import import_extra
from tastemap.parallel import one_blas_thread
from tastemap.ranking.similar import Space
from tastemap.typing import Doubles, Floats, Ints, RowNumbers

Stage = Literal["load", "vectors", "neighbours", "place", "regions"]

# So many neighbours of each item are kept near it. Up to so many items there is no neighbourhood to keep.
NEIGHBOURS = 15

SEED = 0

# Vectors of length 1 that are equal to so many digits have one direction. Their places are so far from each other, or
# a tenth of what is between the items of a map that is full of them.
DIGITS, GAP = 3, 0.003


def place(vectors: Floats, tell: Callable[[Stage], object] = lambda stage: None) -> Floats:
    """Return a place for each vector, float32 (n, 2), around the origin, nearly all within -1 and 1.

    vectors : float32, (n, d)
    tell : gets each stage when it begins

    Equal vectors give equal bits. By UMAP, on the exact neighbours by cosine; up to 15 items by their principal
    components; vectors that are all alike become a disc.

    McInnes, Healy and Melville, UMAP: Uniform manifold approximation and projection for dimension reduction, 2018.
    """
    # What one person alone has lies in one direction: as points of their own such items would be islands far out.
    unit, group = _find_directions(vectors)
    if len(unit) <= 1:
        return _make_disc(len(vectors))
    if len(unit) <= NEIGHBOURS + 1:
        places = _find_components(unit)
    else:
        tell("neighbours")
        rows, distances = _find_neighbours(unit)
        tell("place")
        places = _embed(unit, rows, distances)
    return _fit_window(places)[group] + _make_rosettes(group)


def _find_neighbours(unit: Floats) -> tuple[Ints, Floats]:
    """Return the rows and cosine distances of each vector's nearest ones, itself first: (n, 15) each."""
    n, d = unit.shape
    everything = np.arange(n)
    space = Space(unit, everything, everything.astype(np.int32), np.eye(d))
    lists = space.nearest(everything, NEIGHBOURS - 1, "plain_cosine")
    rows = np.column_stack([everything, lists.rows]).astype(np.int32)
    distances = np.column_stack([np.zeros(n, np.float32), np.maximum(1 - lists.scores, 0)])
    return rows, distances.astype(np.float32)


def _embed(unit: Floats, rows: Ints, distances: Floats) -> Floats:
    umap: Any = import_extra("umap", "umap-learn", extra="explore", purpose="the map")
    with warnings.catch_warnings(), one_blas_thread():
        warnings.simplefilter("ignore")  # of UMAP: that there is no index to place other vectors by, which none needs
        made = umap.UMAP(
            n_neighbors=NEIGHBOURS,
            metric="cosine",
            precomputed_knn=(rows, distances),
            random_state=SEED,
            n_jobs=1,
        ).fit_transform(unit)
    return np.asarray(made, np.float32)


def _find_components(unit: Floats) -> Floats:
    """Return the first two principal components, float32 (n, 2)."""
    centred = unit.astype(np.float64) - unit.mean(axis=0, dtype=np.float64)
    with one_blas_thread():
        U, scales, _ = np.linalg.svd(centred, full_matrices=False)
    out = np.zeros((len(unit), 2), np.float32)
    for axis in range(min(2, len(scales))):
        sign = np.sign(U[np.abs(U[:, axis]).argmax(), axis])  # of the two that differ in sign one for all
        out[:, axis] = U[:, axis] * scales[axis] * sign
    return out


def _make_disc(n: int) -> Floats:
    """Return n places all over a disc, by the golden angle, float32 (n, 2)."""
    disc: Floats = (_spiral(np.arange(n)) / np.sqrt(max(n - 1, 1))).astype(np.float32)
    return disc


def _spiral(number: RowNumbers) -> Doubles:
    """Return places by the golden angle, about one from each other: float64 (n, 2)."""
    turns, radius = number * np.pi * (3 - np.sqrt(5)), np.sqrt(number)
    return np.column_stack([radius * np.cos(turns), radius * np.sin(turns)])


def _fit_window(places: Floats) -> Floats:
    """Return places moved and scaled alike, so that all but a hundredth are within -1 and 1."""
    low, high = np.percentile(places, [0.5, 99.5], axis=0)
    half = max(float((high - low).max()) / 2, float(np.finfo(np.float32).tiny))
    fitted: Floats = ((places - (low + high) / 2) / half).astype(np.float32)
    return np.clip(fitted, -1.25, 1.25)


def _find_directions(vectors: Floats) -> tuple[Floats, RowNumbers]:
    """Return the vectors' directions without repetition, float32 (m, d) of length 1, and which is whose, (n,)."""
    lengths = np.sqrt(np.einsum("if,if->i", vectors, vectors, dtype=np.float64))
    unit = (vectors / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
    if vectors.shape[1] == 0:
        return unit[:1], np.zeros(len(unit), np.int64)
    _, first, group = np.unique(np.round(unit, DIGITS) + 0.0, axis=0, return_index=True, return_inverse=True)
    return unit[first], group.reshape(-1).astype(np.int64)


def _make_rosettes(group: RowNumbers) -> Floats:
    """Return how far each member of a group is from the group's place: 0 for the first, and a disc: float32 (n, 2)."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    number = np.empty(len(group), np.int64)
    number[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    gap = max(GAP, 0.1 * 2 / np.sqrt(max(len(group), 1)))
    rosettes: Floats = (gap * _spiral(number)).astype(np.float32)
    return rosettes
