"""Bayesian personalised ranking."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tastemap.data._checks import check_choice, check_whole
from tastemap.data.interactions import Interactions
from tastemap.kernels.pairwise import Rule, bpr_bucket
from tastemap.kernels.sgd import Bucket
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.shared.base import Model
from tastemap.models.shared.pairwise import Kernel, PairwiseModel, Pool
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.typing import Counts, Floats

# Chosen on held-out pairs of the training parts of six public sets.
STEPS = 80_000_000
FEWEST_EPOCHS, MOST_EPOCHS = 200, 350


@dataclass(kw_only=True, eq=False)
class BPR(PairwiseModel):
    """Bayesian personalised ranking: each item of a user should score above any other item.

    s(u, i) = p_u . q_i + b_i
    minimise   sum over pairs (u, i), with an item j drawn from those that u has no pair with, of
               -w ln sigmoid(s_ui - s_uj) + regularization/2 (|p_u|^2 + |q_i|^2 + b_i^2 + |q_j|^2 + b_j^2)
    step       g = w sigmoid(s_uj - s_ui)
               p_u += rate_u (g (q_i - q_j) - regularization p_u)
               q_i += rate_i ( g p_u - regularization q_i),    b_i += rate_i ( g - regularization b_i)
               q_j += rate_j (-g p_u - regularization q_j),    b_j += rate_j (-g - regularization b_j)
               with the values before the step on the right; each of the three rows has a rate of its own,
               rate = learning_rate (1 - epoch / epochs) / sqrt(1 + |its earlier brackets|^2 / factors / 0.03),
               epoch from 0, for every pair in random order, once an epoch: bpr_bucket in kernels/pairwise.py

    The weight w is in multiples of the mean weight and at most 1.5, because longer steps diverge.

    With features of items q_i = F_i W + d_i, the sum of the factors of the item's features plus a part of its own,
    where b_i is one more factor; regularization pulls q_i towards F_i W instead of 0. W is a ridge regression of the
    rows, weighted by their numbers of pairs; the factor of |W|^2 is feature_regularization times the mean number. W
    takes two conjugate-gradient steps an epoch, and at the end as many as convergence needs. An item with features
    but without a training pair gets F_i W. Features of users change p_u in the same way.

    factors : the length of p_u and q_i
    epochs : steps for every pair. None is 80 million / pairs, from 200 to 350: small sets need more for as many
        steps
    learning_rate : the length of a row's first steps; they shorten as its steps add up and as epochs pass
    regularization : of both rows, in every step that touches them. None is 0.8 / n, where n is the mean number of pairs
        of a user: an epoch then pulls users to 0 as strongly on all data; but at most 0.035
    negatives : "uniform" draws every item alike, "popularity" by its number of pairs; never an item the user has
    feature_regularization : how many times more the factors of features are regularized than an average row's own part
    seed : of the start, the order and the draws

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors)
    item_biases_ : float32, (n_items,)
    user_squares_, item_squares_ : float32, what the rates are made of, for `update`
    skipped_ : int64, (1,), how many pairs took no step because 20 draws met only the user's own items

    The objective shown is the mean loss of the epoch's steps without regularization. Users and items are dealt into
    blocks that share no rows, anew for every epoch, and a negative comes from the block of its positive; so the bits do
    not depend on the number of threads.

    Fold-in makes the same steps, with a rate that falls from each to the next, and leaves the items as they are.
    `explain` leaves one item out at a time. `update` takes a quarter of the epochs over all pairs, starting from the
    fitted rows, with rates that fall to 0 again: what an epoch would add to a known row is multiplied by the share of
    its pairs that are new, times 4 and at most 1. So rows without new pairs stay as they are, and many updates train no
    row too far. New users are folded in afterwards.

    Rendle, Freudenthaler, Gantner and Schmidt-Thieme, BPR: Bayesian personalized ranking from implicit feedback, UAI
    2009. Features: Kula, Metadata embeddings for user and item cold-start recommendations, CBRecSys 2015. The rate:
    Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 2011, with one number a row.
    """

    negatives: Literal["uniform", "popularity"] = "uniform"

    # Fewer pairs a user need more regularization. At a rate of 2 steps diverge.
    search_space: ClassVar[SearchSpace] = {
        "epochs": Range(50, 400, log=True),
        "learning_rate": Range(0.2, 1.2, log=True),
        "regularization": Range(0.003, 0.3, log=True),
    }
    _first_squares: ClassVar[float] = 0.03
    _rates_fall: ClassVar[bool] = True

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        super().check()
        check_whole("epochs", self.epochs, lowest=1, or_none=True)
        check_choice("negatives", self.negatives, ("uniform", "popularity"))

    def find_defaults(self, interactions: Interactions) -> dict[str, Any]:
        """Return epochs and regularization by the formulas of the class docstring."""
        n_pairs = len(interactions)
        return {
            "epochs": min(max(STEPS // n_pairs, FEWEST_EPOCHS), MOST_EPOCHS),
            "regularization": min(0.8 * interactions.n_users / n_pairs, 0.035),
        }

    def make_leaner(self) -> Model:
        """Return ImplicitALS with as many factors, which deals no pairs."""
        return ImplicitALS(factors=self.factors)

    def _make_work(self, n_items: int, pool: Pool) -> Kernel:
        by_popularity = self.negatives == "popularity"

        def work(bucket: Bucket, P: Floats, Q: Floats, rule: Rule, skipped: Counts) -> float:
            popular = pool(bucket) if by_popularity else bucket.items
            return float(bpr_bucket(bucket, P, Q, rule, skipped, popular, by_popularity))

        return work

    def _blind_loss(self, n_items: int) -> float:
        return math.log(2)
