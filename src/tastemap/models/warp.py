"""The weighted approximate-rank pairwise loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tastemap.data._checks import check_whole
from tastemap.data.interactions import Interactions
from tastemap.kernels.pairwise import Rule, measure_reach, warp_bucket
from tastemap.kernels.sgd import Bucket
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.shared.base import Model
from tastemap.models.shared.pairwise import Kernel, PairwiseModel, Pool
from tastemap.models.shared.search import Range, SearchSpace
from tastemap.training.sides import NO_MEANS
from tastemap.typing import Counts, Floats, Ints

# The regularization falls with the pairs of a row, from the strongest: see benchmarks/defaults.py.
STRENGTH = 3.85
FALL = 0.6
STRONGEST = 2.0


@dataclass(kw_only=True, eq=False)
class WARP(PairwiseModel):
    """Weighted approximate-rank pairwise loss: a step is larger for a user's item that stands further down the list.

    s(u, i) = p_u . q_i + b_i
    minimise   sum over pairs (u, i) of
               w L(rank_ui) (1 - s_ui + s_uj) + regularization/2 (|p_u|^2 + |q_i|^2 + b_i^2 + |q_j|^2 + b_j^2)
               j is the first of at most max_sampled items drawn uniformly from those that u has no pair with for which
               s_uj > s_ui - 1; if it was the n-th, rank_ui = floor((n_items - 1) / n) and L(r) = 1 + 1/2 + ...
               + 1/r. Where none is found there is no loss and no step
    step       g = w L(rank_ui)
               p_u += rate_u (g (q_i - q_j) - regularization p_u)
               q_i += rate_i ( g p_u - regularization q_i),    b_i += rate_i ( g - regularization b_i)
               q_j += rate_j (-g p_u - regularization q_j),    b_j += rate_j (-g - regularization b_j)
               with the values before the step on the right; each of the three rows has a rate of its own,
               rate = learning_rate / sqrt(1 + |its earlier brackets|^2 / factors)
               for every pair in random order, once an epoch: warp_bucket in kernels/pairwise.py

    The weight w is in multiples of the mean weight and at most 1.5, because longer steps diverge.

    With features of items q_i = F_i W + d_i, the sum of the factors of the item's features plus a part of its own,
    where b_i is one more factor; regularization pulls q_i towards F_i W instead of 0. W is a ridge regression of the
    rows, weighted by their numbers of pairs; the factor of |W|^2 is feature_regularization times the mean number. W
    takes two conjugate-gradient steps an epoch, and at the end as many as convergence needs. An item with features
    but without a training pair gets F_i W. Features of users change p_u in the same way.

    factors : the length of p_u and q_i
    epochs : how often every pair looks for a violation
    learning_rate : the length of a row's first steps; they shorten as its steps add up
    regularization : of both rows and the bias, in every step that touches them. By default 3.85 n^-0.6 and at most 2,
        where n is the number of pairs divided by that of users and items: what few pairs say of a row is more often
        chance
    max_sampled : the most items drawn for a pair; more find rarer violations and take longer
    feature_regularization : how many times more the factors of features are regularized than an average row's own part
    seed : of the start, the order and the draws

    user_factors_, item_factors_ : float32, (n_users, factors) and (n_items, factors)
    item_biases_ : float32, (n_items,)
    user_squares_, item_squares_ : float32, what the rates are made of, for `update`
    skipped_ : int64, (1,), how many pairs took no step because 20 draws met only the user's own items

    The objective shown is the mean loss of the epoch's pairs without regularization. Users and items are dealt into
    blocks that share no rows, anew for every epoch, and negatives come from the block of the pair; so the bits do not
    depend on the number of threads.

    Fold-in makes the same steps and leaves the items as they are. `explain` leaves one item out at a time. `update`
    takes a quarter of the epochs over all pairs, starting from the fitted rows: what an epoch would add to a known row
    is multiplied by the share of its pairs that are new, times 4 and at most 1. So rows without new pairs stay as they
    are, and many updates train no row too far. New users are folded in afterwards.

    Weston, Bengio and Usunier, WSABIE: scaling up to large vocabulary image annotation, IJCAI 2011.
    Features: Kula, Metadata embeddings for user and item cold-start recommendations, CBRecSys 2015. The rate: Duchi,
    Hazan and Singer, Adaptive subgradient methods, JMLR 2011, with one number a row.
    """

    epochs: int = 50
    learning_rate: float = 0.05
    max_sampled: int = 100

    # Steps are up to ln(n_items) times those of BPR: lower rates, more regularization. At a rate of 0.2 they diverge.
    search_space: ClassVar[SearchSpace] = {
        "epochs": Range(15, 100, log=True),
        "learning_rate": Range(0.02, 0.12, log=True),
        "regularization": Range(0.2, 4.0, log=True),
        "max_sampled": Range(30, 400, log=True),
    }

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        super().check()
        check_whole("epochs", self.epochs, lowest=1)
        check_whole("max_sampled", self.max_sampled, lowest=1)

    def find_defaults(self, interactions: Interactions) -> dict[str, Any]:
        """Return regularization by the formula of the class docstring."""
        n_rows = interactions.n_users + interactions.n_items
        return {"regularization": float(min(STRENGTH * (len(interactions) / n_rows) ** -FALL, STRONGEST))}

    def make_leaner(self) -> Model:
        """Return ImplicitALS with as many factors, which deals no pairs."""
        return ImplicitALS(factors=self.factors)

    def _make_work(self, n_items: int, pool: Pool) -> Kernel:
        rank_weights = self._rank_weights(n_items)

        def work(bucket: Bucket, P: Floats, Q: Floats, rule: Rule, skipped: Counts) -> float:
            return float(warp_bucket(bucket, P, Q, rule, skipped, rank_weights))

        return work

    def _measure_reach(self, Q: Floats, members: Ints) -> Floats:
        reach = np.empty((len(members), 2), np.float32)
        rule = self._make_rule(Q.shape[1], NO_MEANS, NO_MEANS, 1, 0, learn_items=False)
        measure_reach(Q, members, rule, reach)
        return reach

    def _blind_loss(self, n_items: int) -> float:
        return float(self._rank_weights(n_items)[1])

    def _rank_weights(self, n_items: int) -> Floats:
        """Return L of the rank estimated from a violation at the n-th draw, float32 (draws + 1); 0 at place 0."""
        n_others = max(n_items - 1, 1)
        # After as many draws as there are other items the estimated rank is below 1.
        draws = np.arange(1, min(self.max_sampled, n_others) + 1)
        harmonic = np.cumsum(1 / np.arange(1, n_others + 1))
        return np.concatenate(([0], harmonic[n_others // draws - 1])).astype(np.float32)
