"""Cuts a map into regions, and finds where each has most items."""

from __future__ import annotations

import warnings

import numpy as np

from tastemap.extras import import_extra
from tastemap.parallel import one_blas_thread
from tastemap.typing import Floats, Ints

# The levels of regions: about so many items of one, and the most regions.
LEVELS = {"near": (60, 40), "far": (250, 12)}

SEED = 0

# Density is measured in so many squares each way, and smoothed over so many.
SQUARES, SMOOTHING = 96, 2.0


def cut_regions(places: Floats, level: str) -> Ints:
    """Return the region of each place, int32 (n,), counted from 0; each region has a place. By k-means.

    places : float32, (n, 2)
    level : "near" for many small regions, "far" for few large ones
    """
    n = len(places)
    if n == 0:
        return np.empty(0, np.int32)
    size, most = LEVELS[level]
    cluster = import_extra("sklearn.cluster", "scikit-learn", extra="explore", purpose="the map")
    with warnings.catch_warnings(), one_blas_thread():
        warnings.simplefilter("ignore")  # that there are fewer distinct places than regions
        k_means = cluster.KMeans(min(max(n // size, 1), most), n_init=4, random_state=SEED)
        labels = k_means.fit_predict(places.astype(np.float64))
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


def find_centres(places: Floats, regions: Ints) -> Floats:
    """Return the place of each region's item around which there are most, float32 (n_regions, 2)."""
    from scipy.ndimage import gaussian_filter

    low, high = places.min(axis=0), places.max(axis=0)
    squares = ((places - low) / np.maximum(high - low, np.finfo(np.float32).tiny) * (SQUARES - 1)).astype(np.int64)
    n_regions = int(regions.max()) + 1
    out = np.empty((n_regions, 2), np.float32)
    for region in range(n_regions):
        own = np.flatnonzero(regions == region)
        density = np.zeros((SQUARES, SQUARES))
        np.add.at(density, tuple(squares[own].T), 1.0)
        density = gaussian_filter(density, SMOOTHING, mode="constant")
        out[region] = places[own[density[tuple(squares[own].T)].argmax()]]
    return out
