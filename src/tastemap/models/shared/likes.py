"""What models of likes learn from: pairs of a weight above 0, in multiples of their mean weight."""

from __future__ import annotations

import warnings

import numpy as np

from tastemap.data.interactions import Interactions, check_not_negative
from tastemap.errors import Remedy, TastemapWarning


def take_likes(model: str, interactions: Interactions, *, stacklevel: int) -> Interactions:
    """Return the likes; warn where pairs of weight 0 are left out.

    model : the name of its class, for messages
    stacklevel : of the warning, as `warnings.warn` takes it, seen from the caller

    Raises DataError for negative weights, and where there is no like.
    """
    check_not_negative(model, interactions)
    likes = interactions.likes()
    warn_of_zeros(len(interactions) - len(likes), len(interactions), stacklevel=stacklevel + 1)
    return likes


def warn_of_zeros(n_zeros: int, n_pairs: int, *, stacklevel: int) -> None:
    """Warn that n_zeros of n_pairs are no likes; for 0 there is no warning."""
    if n_zeros:
        warning = TastemapWarning(
            f"{n_zeros:,} of {n_pairs:,} pairs have the weight 0, which is no like, and are left out",
            Remedy("read them with zeros='negatives' to say that it means not liked", "zeros", "negatives"),
            "give them a weight above 0 if they are likes",
            "fit a model of ratings, such as SVD, if 0 is a rating",
            pairs=n_zeros,
        )
        warnings.warn(warning, stacklevel=stacklevel + 1)


def warn_of_new_zeros(model: str, known: Interactions, news: Interactions, *, stacklevel: int) -> None:
    """Warn of pairs of weight 0 that take back no like among the known pairs; DataError for negative weights."""
    check_not_negative(model, news)
    is_zero = news.matrix.data == 0
    if is_zero.any():
        zeros = news.pick(is_zero[news.input_order])
        known_zeros = zeros.align(known.users, known.items)[0]
        taken_back = len(known) + len(known_zeros) - len(known.merge(known_zeros))
        warn_of_zeros(len(zeros) - taken_back, len(news), stacklevel=stacklevel + 1)


def find_unit(likes: Interactions) -> float:
    """Return the mean weight, of which models take weights as multiples."""
    return float(likes.matrix.data.mean(dtype=np.float64))
