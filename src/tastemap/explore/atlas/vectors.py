"""The vectors of the items that a map shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tastemap.errors import NotSupportedError
from tastemap.models.graph_filter import GraphFilter
from tastemap.models.shared.base import Model
from tastemap.randomness import Stream, derive_state
from tastemap.ranking.similar import Space
from tastemap.training.graph import normalize_pairs, transpose
from tastemap.training.singular import find_singular
from tastemap.typing import Floats, RowNumbers

# The most items of a map: of more, the most popular ones.
MOST_ITEMS = 50_000

# The most singular vectors of the pairs.
MOST_VECTORS = 64


class Placeable(NamedTuple):
    """What is placed on a map.

    rows : int64, (n,): of items with a training pair, ascending
    vectors : float32, (n, d), whose cosines tell which items are alike
    """

    rows: RowNumbers
    vectors: Floats


def choose_rows(model: Model) -> RowNumbers:
    """Return the rows of the items that a map shows, ascending: those with a training pair, or the most popular."""
    popularity = model.popularity_
    order = np.lexsort((model.items.tie_order, -popularity))[:MOST_ITEMS]
    return np.sort(order[popularity[order] > 0]).astype(np.int64)


def find_vectors(model: Model) -> Placeable:
    """Return the items of a map and their vectors.

    They are the z of `similar_items` where the model compares items by vectors, the vectors of a GraphFilter, and else
    the singular vectors of the training pairs, normalised as GraphFilter does.

    Raises NotSupportedError for a model without vectors whose file has no pairs.
    """
    rows = choose_rows(model)
    space = model.item_space if model.abilities.similar_items else None
    if isinstance(space, Space):
        return Placeable(rows, space.turned[rows])
    if isinstance(model, GraphFilter):
        return Placeable(rows, model.item_vectors_[rows])
    return Placeable(rows, _find_singular_vectors(model)[rows])


def _find_singular_vectors(model: Model) -> Floats:
    """Return the right singular vectors of the pairs that chance does not make, float32 (n_items, at most 64)."""
    pairs = model.interactions
    if pairs is None:
        raise NotSupportedError(
            f"{type(model).__name__} has no vectors of items, and its file was saved without training pairs to find "
            "some in: save it with interactions=True, or look at the map of a model with factors such as ImplicitALS"
        )
    defaults = GraphFilter()
    by_user, scales, edge = normalize_pairs(pairs, defaults.damping)
    state = derive_state(0, Stream.FIRST_ITEMS_ALONE)
    values, vectors = find_singular(by_user, transpose(by_user, len(scales)), MOST_VECTORS, state)
    shares = 1 - (defaults.find_defaults(pairs)["noise"] * edge / values) ** 2
    kept = shares > 0
    found: Floats = vectors[:, kept] * shares[kept].astype(np.float32)
    return found
