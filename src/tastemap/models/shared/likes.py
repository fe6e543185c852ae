"""What models of likes learn from: pairs of a weight above 0, in multiples of their mean weight."""

from __future__ import annotations

import math
import warnings

import numpy as np

from tastemap.data.interactions import Columns, Interactions, check_not_negative
from tastemap.errors import Remedy, TastemapWarning
from tastemap.typing import Floats

# Where the hundredth of the pairs with the largest weights has more than this share of their sum, these pairs decide
# what is learned. Plays of artists have .29 and ordered quantities .33; ratings and logarithms have .01 to .03, numbers
# of orders .07, events with weights .09.
HEAVIEST = 0.01
HEAVY_SHARE = 0.15
# Of fewer pairs a hundredth is one pair at most.
FEWEST_WITH_TAIL = 100


def take_likes(model: str, interactions: Interactions, *, weighs_pairs: bool, stacklevel: int) -> Interactions:
    """Return the likes; warn where pairs of weight 0 are left out, and of weights with a heavy tail.

    model : the name of its class, for messages
    weighs_pairs : whether the model counts a pair in proportion to its weight, as `Abilities` says
    stacklevel : of the warning, as `warnings.warn` takes it, seen from the caller

    Raises DataError for negative weights, and where there is no like.
    """
    check_not_negative(model, interactions)
    likes = interactions.likes()
    warn_of_zeros(len(interactions) - len(likes), len(interactions), stacklevel=stacklevel + 1)
    if weighs_pairs:
        _warn_of_heavy_tail(likes, stacklevel=stacklevel + 1)
    return likes


def find_heavy_share(weights: Floats) -> float:
    """Return the share of the sum of weights that the largest hundredth of them has, 0 for fewer than 100 weights."""
    if len(weights) < FEWEST_WITH_TAIL:
        return 0.0
    n_heavy = math.ceil(HEAVIEST * len(weights))
    heavy = np.partition(weights, len(weights) - n_heavy)[-n_heavy:]
    return float(heavy.sum(dtype=np.float64) / weights.sum(dtype=np.float64))


def _warn_of_heavy_tail(likes: Interactions, *, stacklevel: int) -> None:
    weights = likes.matrix.data
    # A hundredth of the pairs has no more than a hundredth of the largest weight: most data need no sorting.
    if weights.max() * (HEAVIEST + 1 / len(weights)) <= HEAVY_SHARE * find_unit(likes):
        return
    share = find_heavy_share(weights)
    if share > HEAVY_SHARE:
        name, middle, highest = likes.columns.weight, float(np.median(weights)), float(weights.max())
        warning = TastemapWarning(
            f"the weights have a heavy tail: {HEAVIEST:.0%} of the pairs have {share:.0%} of all {name!r}, and decide "
            f"what is learned (half of the pairs have {middle:g} at most, one has {highest:g})",
            Remedy("damp them first with interactions.log2()", "damping", "log2"),
            Remedy("count every pair alike with interactions.binarize()", "damping", "binarize"),
            column=name,
            share=share,
        )
        warnings.warn(warning, stacklevel=stacklevel + 1)


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


def warn_of_other_weights(
    purpose: str, known: Columns, news: Interactions, *, stacklevel: int, damps: bool = True
) -> None:
    """Warn that weights have not gone through what those of the training went through.

    purpose : what they are for, e.g. "update"
    damps : whether it matters there that they are damped
    """
    lacking = [step for step in news.find_lacking(known) if damps or step == "at_least"]
    if not lacking:
        return
    calls = [f"at_least({known.least:g})" if step == "at_least" else f"{step}()" for step in lacking]
    weights = news.matrix.data
    warning = TastemapWarning(
        f"{purpose} takes weights from {weights.min():g} to {weights.max():g} as they are, and those of the training "
        f"went through {' and '.join(calls)}",
        Remedy(f"pass interactions.{'.'.join(calls)}", "prepare", ...),
        lacking=tuple(lacking),
    )
    warnings.warn(warning, stacklevel=stacklevel + 1)


def find_unit(likes: Interactions) -> float:
    """Return the mean weight, of which models take weights as multiples."""
    return float(likes.matrix.data.mean(dtype=np.float64))
