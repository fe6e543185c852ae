"""Features of users or items: a row's factors are the sum of its features' factors plus its own part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap import parallel
from tastemap.data._pairs import Rows, freeze_rows, make_csr, rows_at, rows_of
from tastemap.data.features import Features
from tastemap.data.ids import IdMap, add_to_hash
from tastemap.errors import DataError, NotSupportedError, name_some
from tastemap.kernels.core.simd import allocate
from tastemap.kernels.core.sparse import sparse_rows
from tastemap.kernels.features import spread_rows, step_features, turn_features
from tastemap.training.wide import narrow, widen, width_of, zeros
from tastemap.typing import Floats

Blocks = list[tuple[int, int]]

# The size of a thread's block: in entries of the feature matrix, where each row costs ROW_COST more; or in features.
BLOCK_ENTRIES = 1 << 13
ROW_COST = 4
BLOCK_FEATURES = 512

# Steps end when the gradient, in the norm of the preconditioner, has shrunk to this share of its first value.
CONVERGED = 1e-5
MOST_STEPS = 500


class SideFeatures:
    """The features of all rows of users or of items, and the factors of these features.

    y_i = F_i W + d_i, where F_i is the features of row i, W the features' factors and d_i the row's own part. Given
    Y, `solve` finds the W that minimises

        sum_i weight_i |d_i|^2  +  regularization |W|^2

    by conjugate gradients. A model's loss pulls y_i one way and the first term pulls it towards F_i W, so F_i W itself
    is optimal for a row without training pairs.

    names : the features' names
    rows : F as CSR over the rows of the model's id map; None where a file left it out
    described : bool, (rows,): which rows have a feature
    factors_ : float32, (features, factors): W, None before it is learned
    """

    def __init__(
        self, names: tuple[str, ...], rows: Rows | None, described: npt.NDArray[np.bool_], factors: Floats | None = None
    ) -> None:
        self.names = names
        self.rows = rows
        self.described = described
        self.factors_ = factors

    @classmethod
    def of(cls, features: Features, ids: IdMap) -> SideFeatures:
        """Return the features for the rows of an id map; W is not learned yet."""
        rows = features.align(ids)
        return cls(features.names, rows, rows.has_pairs)

    def extend(self, ids: IdMap, news: Features | None) -> SideFeatures:
        """Return the features for a longer id map, with those of `news` in place of the old; `factors_` stays.

        Raises DataError where `news` has features that are not among these.
        """
        old = self.known_rows
        places = np.full(len(ids), -1)
        places[: len(self.described)] = np.arange(len(self.described))
        rows = rows_at(old, places)
        if news is not None:
            given = self.translate(news)
            found = news.ids.find(ids.ids)
            rows = rows_at(_stack(rows, given), np.where(found >= 0, len(ids) + found, np.arange(len(ids))))
        return SideFeatures(self.names, rows, rows.has_pairs, self.factors_)

    def translate(self, features: Features) -> Rows:
        """Return the rows of other features, numbered as here: features are matched by name.

        Raises DataError for features that are not among these.
        """
        if features.names == self.names:
            return features.align(features.ids)
        numbers = dict(zip(self.names, range(len(self.names)), strict=True))
        unknown = [name for name in features.names if name not in numbers]
        if unknown:
            raise DataError(
                f"{len(unknown)} of {len(features.names)} features were not in the training: {name_some(unknown)}; "
                "make new rows with Features.transform, which gives them the features of the training"
            )
        rows = features.align(features.ids)
        columns = np.array([numbers[name] for name in features.names], np.int32)[rows.indices]
        matrix = sp.csr_matrix((rows.data, columns, rows.indptr), shape=(len(features), len(self.names)), copy=True)
        matrix.sort_indices()
        return rows_of(matrix)

    def fingerprint(self) -> str:
        """Return a hash of the names and the rows, as 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for array in self.known_rows:
            digest.update(np.ascontiguousarray(array).data)
        add_to_hash(digest, pl.Series(self.names, dtype=pl.String))
        return digest.hexdigest()

    def differs_from(self, other: SideFeatures) -> npt.NDArray[np.bool_]:
        """Return which rows have other features than in `other`, which has the same names and as many rows: bool."""
        differing: npt.NDArray[np.bool_] = np.diff((self._matrix != other._matrix).indptr) > 0
        return differing

    def means(self, W: Floats) -> Floats:
        """Return F W: float32 (rows, width), the rows' factors without their own part."""
        out: Floats = allocate(len(self.described), W.shape[1])
        _multiply(self.known_rows, self._row_blocks, W, out)
        return out

    def means_of(self, rows: Rows) -> Floats:
        """Return F W with the learned W for any rows F of features: float32 (rows, factors)."""
        assert self.factors_ is not None
        return mean_factors(self.factors_, rows)

    def place(self, factors: Floats, counts: npt.NDArray[np.int64]) -> Floats:
        """Return the factors of all rows, with F W for the rows without a training pair: float32 (rows, factors).

        factors : float32, (rows or fewer, factors): the learned ones
        counts : int64, (rows,): the number of training pairs of each row
        """
        grown = np.zeros((len(counts), factors.shape[1]), np.float32)
        grown[: len(factors)] = factors
        without = np.flatnonzero(counts == 0)
        grown[without] = self.means_of(rows_at(self.known_rows, without))
        return grown

    def solve(self, W: Floats, Y: Floats, weights: Floats, regularization: float, steps: int | None = None) -> None:
        """Improve W in place by conjugate-gradient steps, given Y.

        W, Y : float32, (features, width) and (rows, width), where `width_of` gives the width
        weights : float32, (rows,): the weight of each row; 0 leaves it out
        steps : None for as many as convergence takes
        """
        n_rows, (n_features, width) = len(Y), W.shape
        rows, columns = self.known_rows, self._columns
        weighted = freeze_rows(rows._replace(data=np.repeat(weights, rows.counts) * rows.data))
        curvature = np.bincount(rows.indices, weighted.data * rows.data.astype(np.float64), n_features) + regularization
        inverse = (1 / np.where(curvature > 0, curvature, np.inf)).astype(np.float32)
        T, image, residual, direction = (zeros(n, width) for n in (n_rows, n_features, n_features, n_features))
        nothing = np.zeros(width, np.float32)

        def spread(P: Floats, ridge: float, out: Floats) -> Floats:
            """Set out = F'T + ridge P and return the sums of the columns of P * out."""

            def task(start: int, stop: int, sums: Floats) -> None:
                spread_rows(
                    *columns, start=start, stop=stop, T=T, P=P, regularization=np.float32(ridge), out=out, sums=sums
                )

            return _run_and_sum(self._column_blocks, width, task)

        def go(step: Floats) -> Floats:
            """Take the step and return the squared norms of the residual in the norm of the preconditioner."""

            def task(start: int, stop: int, sums: Floats) -> None:
                step_features(start, stop, W, residual, direction, image, step, inverse, sums)

            return _run_and_sum(self._blocks, width, task)

        def turn(by: Floats) -> None:
            """Turn the direction towards the residual."""
            _run(self._blocks, lambda start, stop: turn_features(start, stop, residual, inverse, by, direction))

        with parallel.one_blas_thread():  # entered once rather than for every product
            enough = nothing
            if steps is None:
                np.multiply(Y, weights[:, None], out=T)
                spread(W, 0, residual)
                enough = np.float32(CONVERGED**2) * go(nothing)
            np.subtract(Y, self.means(W), out=T)
            T *= weights[:, None]
            spread(W, -regularization, residual)
            norms, by = go(nothing), nothing
            for _ in range(MOST_STEPS if steps is None else steps):
                if not (norms > enough).any():
                    break
                turn(by)
                _multiply(weighted, self._row_blocks, direction, T)
                step = _divide(norms, spread(direction, regularization, image))
                before, norms = norms, go(step)
                by = _divide(norms, before)

    @property
    def known_rows(self) -> Rows:
        """F; raises NotSupportedError where a file left it out."""
        if self.rows is None:
            raise NotSupportedError("the model was saved with interactions=False, which leaves out the users' features")
        return self.rows

    @property
    def _matrix(self) -> sp.csr_matrix:
        indptr, indices, data = self.known_rows
        return make_csr(indptr, indices, data, len(self.names))

    @cached_property
    def _columns(self) -> Rows:
        """The transpose of F."""
        by_feature = self._matrix.tocsc()
        return rows_of(make_csr(by_feature.indptr, by_feature.indices, by_feature.data, len(self.described)))

    @cached_property
    def _row_blocks(self) -> Blocks:
        return parallel.even_blocks(self.known_rows.indptr, BLOCK_ENTRIES, ROW_COST)

    @cached_property
    def _column_blocks(self) -> Blocks:
        return parallel.even_blocks(self._columns.indptr, BLOCK_ENTRIES, ROW_COST)

    @property
    def _blocks(self) -> Blocks:
        return [(block.start, block.stop) for block in parallel.row_blocks(len(self.names), BLOCK_FEATURES)]


def mean_factors(W: Floats, rows: Rows) -> Floats:
    """Return F W for rows F of features: float32 (rows, factors), given W float32 (features, factors)."""
    n_features, factors = W.shape
    wide = widen(W, width_of(factors), n_features)
    out: Floats = allocate(len(rows.indptr) - 1, wide.shape[1])
    _multiply(rows, parallel.even_blocks(rows.indptr, BLOCK_ENTRIES, ROW_COST), wide, out)
    return narrow(out, factors)


def _stack(upper: Rows, lower: Rows) -> Rows:
    """Return the rows of both matrices, `upper` above `lower`."""
    indptr = np.concatenate([upper.indptr, upper.indptr[-1] + lower.indptr[1:]])
    return Rows(indptr, np.concatenate([upper.indices, lower.indices]), np.concatenate([upper.data, lower.data]))


def _run(blocks: Blocks, task: Callable[[int, int], Any]) -> None:
    parallel.run(lambda b: task(*blocks[b]), len(blocks))


def _run_and_sum(blocks: Blocks, width: int, task: Callable[..., Any]) -> Floats:
    """Run task(start, stop, sums) on every block and return its sums, added in block order: float32 (width)."""
    sums = zeros(len(blocks), width)
    parallel.run(lambda b: task(*blocks[b], sums[b]), len(blocks))
    total: Floats = sums.sum(axis=0, dtype=np.float64).astype(np.float32)
    return total


def _multiply(rows: Rows, blocks: Blocks, W: Floats, out: Floats) -> None:
    _run(blocks, lambda start, stop: sparse_rows(*rows, start=start, stop=stop, X=W, out=out))


def _divide(a: Floats, b: Floats) -> Floats:
    """Return a / b, and 0 where b is 0: in a column that has converged, or in padding."""
    quotient: Floats = np.divide(a, b, out=np.zeros_like(a), where=b > 0)
    return quotient
