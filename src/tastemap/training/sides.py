"""One side of a factor model in training, users or items, with its features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.kernels.core.simd import LANES, allocate
from tastemap.training.side_features import SideFeatures
from tastemap.training.wide import narrow, zeros
from tastemap.typing import Arrays, Floats

NO_MEANS: Floats = allocate(0, LANES)

# Conjugate-gradient steps for the factors of features in an epoch; each epoch starts where the last one ended.
FEATURE_STEPS = 2


class Side:
    """The rows of one side: `name` in the state, and "<name>.features" for the factors of their features.

    has_pairs : bool, (rows,): which rows have a training pair
    weights : float32, (rows,): the regularization of each row's own part; rows without a pair take no part
    features : None where the rows have none
    feature_regularization : regularization of the features' factors, in multiples of the mean weight of the rows with
        a pair

    Raises ValueError where feature_regularization is too large for 32-bit floats.
    """

    def __init__(
        self,
        name: str,
        has_pairs: npt.NDArray[np.bool_],
        weights: Floats,
        features: SideFeatures | None,
        feature_regularization: float,
    ) -> None:
        self.name = name
        self.has_pairs = has_pairs
        self.features = features
        self._weights = np.where(has_pairs, weights, 0).astype(np.float32)
        self._regularization = feature_regularization * float(self._weights[has_pairs].mean(dtype=np.float64))
        if features is not None and self._regularization > LARGEST_FLOAT:
            raise ValueError(
                f"feature_regularization {feature_regularization} times the regularization of an average row is more "
                "than 32-bit floats hold: lower it"
            )

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which rows have a training pair or features: bool, (rows,)."""
        return self.has_pairs if self.features is None else self.has_pairs | self.features.described

    def start(self, P: Floats) -> Arrays:
        """Return this side's part of the state: the first rows P, and zeros for the features' factors."""
        if self.features is None:
            return {self.name: P}
        return {self.name: P, f"{self.name}.features": zeros(len(self.features.names), P.shape[1])}

    def solve_features(self, state: Arrays, steps: int | None = None) -> None:
        """Improve the features' factors, given the rows; steps=None for as many as convergence takes."""
        if self.features is not None:
            W, P = state[f"{self.name}.features"], state[self.name]
            self.features.solve(W, P, self._weights, self._regularization, steps)

    def finish_features(self, state: Arrays, columns: int) -> None:
        """Solve the features' factors for the final rows, and keep this many columns of them in `factors_`."""
        if self.features is not None:
            self.solve_features(state)
            self.features.factors_ = narrow(state[f"{self.name}.features"], columns)

    def means(self, state: Arrays) -> Floats:
        """Return F W, towards which regularization pulls the rows: float32 (rows, width), or no rows for zeros."""
        return NO_MEANS if self.features is None else self.features.means(state[f"{self.name}.features"])

    def place(self, state: Arrays) -> Floats:
        """Return the rows, with F W for those without a training pair: float32 (rows, width)."""
        P: Floats = state[self.name]
        return P if self.features is None else np.where(self.has_pairs[:, None], P, self.means(state))

    def feature_penalty(self, state: Arrays) -> float:
        """Return the regularization of the features' factors."""
        if self.features is None:
            return 0.0
        W = state[f"{self.name}.features"]
        return self._regularization * float(np.einsum("jf,jf->", W, W, dtype=np.float64))
